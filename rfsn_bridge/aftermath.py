"""What became of an NPC's turns, credited to them: heard or cut off, done or refused, taken up or corrected.

A turn is credited once both are known, in whichever order they come: what was heard and done of it, and what the
player said next. Whoever says nothing for a while, or leaves, says nothing of the turn.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rfsn_bridge.domain import Decision, Deed, Personality, Signal
from rfsn_bridge.mind.events import Did, Said
from rfsn_bridge.mind.experience import MAX_PENDING, Credit, Experience
from rfsn_bridge.mind.rewards import Heard, Reaction, Result, reactions
from rfsn_bridge.mind.state import transition
from rfsn_bridge.mind.world_model import WorldModel

_REPLY_S = 120.0
"""A line that comes later than this, in playing time, is about something else."""


@dataclass(slots=True)
class _Turn:
    decision: Decision
    said: Callable[[], str]
    heard: Heard | None = None
    deeds: tuple[Deed, ...] = ()
    reactions: frozenset[Reaction] | None = None
    feedback: float | None = None
    answered_at: float = 0.0


class Aftermath:
    """Of one NPC; holds what its experience still holds. `clock` counts playing time in seconds.

    `settled` is told what each turn was worth, as soon as it is known; None: nothing that could be learned from.
    """

    def __init__(
        self,
        experience: Experience,
        clock: Callable[[], float],
        settled: Callable[[str, Credit | None], None] = lambda turn_id, credit: None,
    ) -> None:
        self._experience = experience
        self._clock = clock
        self._settled = settled
        self._turns: OrderedDict[str, _Turn] = OrderedDict()

    def decided(self, turn_id: str, decision: Decision, said: Callable[[], str]) -> None:
        """The NPC has chosen what to do with its answer; `said` gives what was shown of that so far."""
        self._experience.decided(turn_id, decision)
        self._turns[turn_id] = _Turn(decision, said, answered_at=self._clock())
        while len(self._turns) > MAX_PENDING:
            self._turns.popitem(last=False)

    def next_line(
        self, text: str, signals: Mapping[Signal, float], world: WorldModel, traits: Personality
    ) -> frozenset[Reaction]:
        """The player speaks again: what that says of the turn before, which is also what that turn led to."""
        turn_id = next(reversed(self._turns), None)
        turn = self._turns[turn_id] if turn_id else None
        if turn_id is None or turn is None or turn.reactions is not None:
            return frozenset()
        if self._clock() - turn.answered_at > _REPLY_S:
            turn.reactions = frozenset()
        else:
            turn.reactions = reactions(text, signals, turn.said())
            self._observe(turn.decision, signals, world, traits)
        self._credit(turn_id, turn)
        return turn.reactions

    def known(self, turn_id: str, heard: Heard, deeds: tuple[Deed, ...]) -> None:
        """What was heard of a turn, and what was done, is known now."""
        if turn := self._turns.get(turn_id):
            turn.heard, turn.deeds, turn.answered_at = heard, deeds, self._clock()
            if heard is Heard.NOTHING:  # then the next line is no answer to it
                turn.reactions = frozenset()
            self._credit(turn_id, turn)

    def feedback(self, turn_id: str, reward: float) -> bool:
        """The player's verdict on a turn; False if the turn is too old to learn from, or had one before."""
        turn = self._turns.get(turn_id)
        if turn is None:
            return self._learn(turn_id, Result(Heard.NOTHING, feedback=reward))
        if turn.feedback is not None:
            return False
        turn.feedback = reward
        return True

    def forget(self, turn_id: str) -> None:
        """It has never happened."""
        self._turns.pop(turn_id, None)
        self._experience.forget(turn_id)

    def over(self) -> bool:
        """Nobody will say anything any more: credit what is known; False if there was nothing left to credit."""
        waiting = [(turn_id, turn) for turn_id, turn in self._turns.items() if turn.heard is not None]
        for turn_id, turn in waiting:
            turn.reactions = turn.reactions or frozenset()
            self._credit(turn_id, turn)
        return bool(waiting)

    def _credit(self, turn_id: str, turn: _Turn) -> None:
        if turn.heard is None or turn.reactions is None:
            return
        del self._turns[turn_id]
        result = Result(turn.heard, turn.deeds, turn.reactions, turn.feedback)
        self._learn(turn_id, result)

    def _learn(self, turn_id: str, result: Result) -> bool:
        credit = self._experience.credit(turn_id, result)
        self._settled(turn_id, credit)
        return credit is not None

    def _observe(
        self, decision: Decision, signals: Mapping[Signal, float], world: WorldModel, traits: Personality
    ) -> None:
        observations = self._experience.observations
        if observations is None:
            return
        signal = max(signals, key=lambda each: signals[each])
        answered = transition(decision.state, Did(decision.action, decision.signal), world.rules, traits).state
        after = transition(answered, Said(signal, decision.action), world.rules, traits).state
        observations.observe(decision.state, decision.action, decision.signal, answered, after)
