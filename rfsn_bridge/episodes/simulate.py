"""Episodes of one NPC and one player: the real mind, the real transitions, rewards that come when they come.

What the daemon does with a turn happens here in the same order and by the same code, without a language model for
the NPC, a voice or a clock. All chance comes from the seed and all time is the game's, so that the same seed gives
the same episode, byte for byte.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from rfsn_bridge.aftermath import Aftermath
from rfsn_bridge.domain import Exchange, Npc, NpcState, Signal, SignalContext
from rfsn_bridge.episodes import episode_file, phrases
from rfsn_bridge.episodes.players import Answer, Listened, Player
from rfsn_bridge.episodes.surroundings import Surroundings
from rfsn_bridge.game_time import GameTime
from rfsn_bridge.mind.decide import Mind
from rfsn_bridge.mind.events import Did, Happened, Passed
from rfsn_bridge.mind.experience import Credit
from rfsn_bridge.mind.numbers import to_six_places
from rfsn_bridge.mind.rewards import Heard, Reaction
from rfsn_bridge.mind.state import transition

_BEGAN = datetime(2000, 1, 1)
"""Of the game's calendar."""
_LATE = 0.15
"""How often it is known only after the player's next line what was heard: the player talked over it."""
_REMEMBERED = 8
"""Exchanges that a classifier is told of."""


@dataclass(slots=True)
class _Clock:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass(slots=True)
class _Turn:
    """A line of the file to be: written once its reward is known, or can no longer be."""

    fields: dict[str, Any]
    settled: bool = False


@dataclass(slots=True)
class _Late:
    """What is still to be told of a turn."""

    turn_id: str
    heard: Heard
    deeds: tuple[Any, ...] = ()


@dataclass
class Stage:
    """One NPC with its player, from `state` on. `seed` names all chance in it."""

    mind: Mind
    npc: Npc
    player: Player
    seed: str
    state: NpcState = field(default_factory=NpcState)

    def __post_init__(self) -> None:
        self._clock = _Clock()
        self._days = GameTime(self._clock)
        self.experience = self.mind.newcomer()
        self._aftermath = Aftermath(self.experience, self._clock, self._settled)
        self._turns: OrderedDict[str, _Turn] = OrderedDict()
        self._history: deque[Exchange] = deque(maxlen=_REMEMBERED)
        self._at = 0.0

    def play(self, turns: int) -> Iterator[dict[str, Any]]:
        """The lines of the file, in order, each as soon as it is complete."""
        rng = Random(f"{self.seed}.player")  # noqa: S311  # a game
        surroundings = Surroundings(Random(f"{self.seed}.game"))  # noqa: S311
        answer, late = Answer(), None
        happened: list[Happened] = []
        for number in range(turns):
            self._rest()
            for event in happened:
                self._change(event)
            turn_id = str(number)
            answer = self._turn(turn_id, number, answer, happened, rng)
            if late:
                self._aftermath.known(late.turn_id, late.heard, late.deeds)
            listened = self.player.listen(answer, rng)
            late = self._heard(turn_id, listened, surroundings, answer)
            happened = surroundings.happens(self.state, answer.to, getattr(self.player, "kindness", 0.5))
            self._clock.seconds += surroundings.pause_s()
            yield from self._complete()
        if late:
            self._aftermath.known(late.turn_id, late.heard, late.deeds)
        self._aftermath.over()
        yield from self._complete(all_of_them=True)

    def _rest(self) -> None:
        now = self._days()
        self._change(Passed(now - self._at))
        self._at = now

    def _change(self, event: Happened | Passed | Did) -> None:
        self.state = transition(self.state, event, self.mind.world.rules, self.npc.personality).state

    def _turn(self, turn_id: str, number: int, answer: Answer, happened: list[Happened], rng: Random) -> Answer:
        """A line of the player after the NPC's `answer`, and what the NPC does about it."""
        world, traits, before = self.mind.world, self.npc.personality, self.state
        line = self.player.speak(answer, rng)
        signals = line.signals or self._classified(line.text)
        found = self._aftermath.next_line(line.text, signals, world, traits)
        talk = self.experience.talk(contradiction=Reaction.CONTRADICTION in found)
        seed = f"{self.seed}.{number}"
        chance = Random(seed)  # noqa: S311
        decision = self.mind.decide(self.npc, before, signals, chance, self.experience, talk, seed)
        self.state = decision.state
        text = phrases.done(decision.action)
        self._history.append(Exchange(line.text, text))
        self._aftermath.decided(turn_id, decision, lambda: text)
        self._change(Did(decision.action, decision.signal))
        fields = episode_file.decided(decision, before)
        events = [f"{each.kind}{' by player' * each.by_player}" for each in happened]
        trace = fields.pop("trace") | {"events": events, "rewards": {}}
        self._turns[turn_id] = _Turn(
            {
                "turn": number,
                "timestamp": (_BEGAN + timedelta(days=self._at)).isoformat(timespec="seconds"),
                "npc_id": self.npc.npc_id,
                "player_text": line.text,
                **fields,
                "reward": None,
                "style_reward": None,
                "state_after": episode_file.state_fields(self.state),
                "trace": trace,
            }
        )
        return Answer(decision.action, decision.style, decision.signal, text)

    def _classified(self, text: str) -> Mapping[Signal, float]:
        last_action = self.experience.talk().last_action
        return self.mind.classify(text, SignalContext(self.state, tuple(self._history), last_action))

    def _heard(self, turn_id: str, listened: Listened, surroundings: Surroundings, answer: Answer) -> _Late | None:
        """How the player took the answer, told at once or late."""
        if listened.verdict is not None:
            self._aftermath.feedback(turn_id, listened.verdict)
        deeds = surroundings.deeds(answer.action) if answer.action else ()
        self._turns[turn_id].fields["trace"]["heard"] = listened.heard
        if surroundings.rng.random() < _LATE:
            return _Late(turn_id, listened.heard, deeds)
        self._aftermath.known(turn_id, listened.heard, deeds)
        return None

    def _settled(self, turn_id: str, credit: Credit | None) -> None:
        if (turn := self._turns.get(turn_id)) is None:
            return
        turn.settled = True
        if credit:
            turn.fields["reward"] = to_six_places(credit.action.total) if credit.action.parts else None
            turn.fields["style_reward"] = to_six_places(credit.style.total) if credit.style.parts else None
            turn.fields["trace"]["rewards"] = credit.action.parts

    def _complete(self, *, all_of_them: bool = False) -> Iterator[dict[str, Any]]:
        """The oldest turns, as far as their rewards are known."""
        while self._turns:
            turn_id, turn = next(iter(self._turns.items()))
            if not (turn.settled or all_of_them):
                return
            del self._turns[turn_id]
            yield turn.fields
