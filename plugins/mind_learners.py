"""The built-in learners: which of the best actions is taken, and in which style it is said."""

from rfsn_bridge import Learner, Register, hookimpl
from rfsn_bridge.mind.bandit import Greedy


@hookimpl
def register_learners(register: Register[Learner]) -> None:
    register("greedy", lambda options, services: Greedy())
