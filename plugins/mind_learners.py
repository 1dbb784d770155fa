"""The built-in learners: which of the best actions is taken, and in which style it is said."""

from rfsn_bridge import Learner, Register, Services, hookimpl
from rfsn_bridge.mind.bandit import Greedy


def _linucb(options: object, services: Services) -> Learner:
    from rfsn_bridge.mind.linear_ucb import LinearUcb  # needs numpy

    return LinearUcb()


@hookimpl
def register_learners(register: Register[Learner]) -> None:
    register("linucb", _linucb)
    register("greedy", lambda options, services: Greedy())
