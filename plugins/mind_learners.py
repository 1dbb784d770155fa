"""The built-in learners: which of the best actions is taken, and in which style it is said."""

from pydantic import BaseModel, ConfigDict, Field

from rfsn_bridge import Learner, Register, Services, hookimpl
from rfsn_bridge.mind.bandit import Greedy
from rfsn_bridge.mind.epsilon_greedy import EpsilonGreedy
from rfsn_bridge.mind.keyed import Keyed


class Options(BaseModel):
    """The options of `linucb`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    floor: float = Field(default=0.02, ge=0.001, le=0.5, description="The part of all choices left to chance.")
    curiosity: float = Field(default=0.8, ge=0, le=5, description="How much what is unknown is worth trying.")


def _linucb(options: Options, services: Services) -> Learner:
    from rfsn_bridge.mind.linear_ucb import LinearUcb, Tuning  # needs numpy

    return LinearUcb(Tuning(floor=options.floor, curiosity=options.curiosity))


@hookimpl
def register_learners(register: Register[Learner]) -> None:
    register("linucb", _linucb, Options)
    register("epsilon_greedy", lambda options, services: EpsilonGreedy())
    register("thompson", lambda options, services: Keyed("thompson"))
    register("softmax", lambda options, services: Keyed("softmax"))
    register("ucb1", lambda options, services: Keyed("ucb1"))
    register("greedy", lambda options, services: Greedy())
