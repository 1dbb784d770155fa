"""A player who talks, saves, loads, resets, restores and crashes at random, against a model of the memory."""

import asyncio
import copy
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from rfsn_bridge.domain import Exchange, NpcState, Turn, TurnStatus
from rfsn_bridge.memory import summaries
from rfsn_bridge.memory.store import Store

RECENT = 2
NPCS = ("a", "A", "Ra'virr")


@dataclass
class Mind:
    said: list[str] = field(default_factory=list)
    remembered: list[str] = field(default_factory=list)
    """The ids of all turns, also of those that were overheard."""
    affinity: float | None = None
    learned: bytes | None = None


@dataclass
class Model:
    """What the present should be, and what each save would make it."""

    minds: dict[str, Mind] = field(default_factory=lambda: {npc: Mind() for npc in NPCS})
    saves: dict[str, dict[str, Mind]] = field(default_factory=dict)
    summaries: dict[str, list[tuple[str, ...]]] = field(default_factory=lambda: {npc: [] for npc in NPCS})
    """Of every NPC, whatever is the present: the turns that each stands for."""

    def told(self, npc: str) -> list[tuple[str, ...]]:
        """Those of the present, but for those whose turns another stands for, too."""
        remembered = self.minds[npc].remembered
        there = [each for each in self.summaries[npc] if set(each) <= set(remembered)]
        outermost = [each for each in there if not any(set(each) < set(other) for other in there)]
        return sorted(outermost, key=lambda each: remembered.index(each[-1]))


class Story(RuleBasedStateMachine):
    backups: Bundle[tuple[str, Model]] = Bundle("backups")

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="story-"))
        self.loop = asyncio.new_event_loop()
        self.store = self.wait(self.opened())
        self.model = Model()
        self.smaller = pytest.MonkeyPatch()
        self.smaller.setattr(summaries, "BLOCK", 3)
        self.smaller.setattr(summaries, "FANOUT", 2)
        self.count = 0

    async def opened(self) -> Store:
        return Store(self.folder)

    def wait(self, what: Any) -> Any:
        return self.loop.run_until_complete(what)

    @rule(npc=st.sampled_from(NPCS), hearers=st.sets(st.sampled_from(NPCS)), heard=st.booleans())
    def say(self, npc: str, hearers: set[str], heard: bool) -> None:
        self.count += 1
        mind = self.model.minds[npc]
        mind.affinity, mind.learned = self.count / 1000, f"after {self.count}".encode()
        turn = Turn(
            turn_id=f"t{self.count}",
            playthrough="p",
            npc_id=npc,
            npc_name="N",
            player_text=f"line {self.count}",
            heard_text="heard" if heard else "",
            heard_through_seq=0,
            status=TurnStatus.COMPLETED,
            state=NpcState(affinity=mind.affinity),
            decision=None,
            hearers=tuple(hearers),
        )
        self.wait(self.store.record(turn, mind.learned))
        mind.said.append(turn.player_text)
        for each in {npc, *hearers} if heard else {npc}:
            self.model.minds[each].remembered.append(turn.turn_id)

    @rule(npc=st.sampled_from(NPCS))
    def learn(self, npc: str) -> None:
        self.count += 1
        mind = self.model.minds[npc]
        mind.affinity, mind.learned = self.count / 1000, f"learned {self.count}".encode()
        self.wait(self.store.keep("p", npc, NpcState(affinity=mind.affinity), mind.learned))

    @rule(npc=st.sampled_from(NPCS), lines=st.integers(1, 9))
    def talk(self, npc: str, lines: int) -> None:
        for _ in range(lines):
            self.say(npc, set(), True)

    @rule(npc=st.sampled_from(NPCS))
    def sum_up(self, npc: str) -> None:
        """All that is due, in a stand-in for the text of a model."""
        while due := self.wait(self.store.summary_due("p", npc, RECENT)):
            assert self.wait(self.store.keep_summary("p", npc, due, " ".join(due.turn_ids)))
            self.model.summaries[npc].append(due.turn_ids)

    @rule(name=st.sampled_from("wxyz"))
    def save(self, name: str) -> None:
        self.wait(self.store.save("p", name, None))
        self.model.saves[name] = copy.deepcopy(self.model.minds)

    @rule(name=st.sampled_from("wxyz"))
    def load(self, name: str) -> None:
        loaded = self.wait(self.store.load("p", name, None))
        assert loaded.found == (name in self.model.saves)
        if name in self.model.saves:
            self.model.minds = copy.deepcopy(self.model.saves[name])

    @rule(npc=st.sampled_from(NPCS))
    def reset(self, npc: str) -> None:
        self.wait(self.store.reset("p", npc))
        for minds in (self.model.minds, *self.model.saves.values()):
            minds[npc] = Mind()
        self.model.summaries[npc] = []

    @rule(target=backups)
    def back_up(self) -> Any:
        backup = self.wait(self.store.back_up("manual"))
        return multiple((backup.name, copy.deepcopy(self.model)))

    @rule(backup=backups)
    def restore(self, backup: tuple[str, Model]) -> None:
        name, model = backup
        self.wait(self.store.restore(name))
        self.model = copy.deepcopy(model)

    @rule(target=backups)
    def think_better_of_a_restore(self) -> Any:
        """A restore can be taken back: what was there is a backup of its own."""
        first = self.wait(self.store.back_up("manual"))
        undo = self.wait(self.store.restore(first.name))
        return multiple((undo.name, copy.deepcopy(self.model)))

    @rule()
    def crash(self) -> None:
        """The files as they are at this moment, without a goodbye, are what the next start finds."""
        left = Path(tempfile.mkdtemp(prefix="story-"))
        shutil.copytree(self.folder, left, dirs_exist_ok=True)
        self.wait(self.store.aclose())
        shutil.rmtree(self.folder)
        self.folder = left
        self.store = self.wait(self.opened())

    @invariant()
    def remembers_what_it_should(self) -> None:
        for npc, mind in getattr(self, "model", Model()).minds.items() if hasattr(self, "store") else ():
            known = self.wait(self.store.known("p", npc, 1000))
            assert [exchange.player_text for exchange in known.exchanges] == mind.said
            assert (known.state.affinity if known.state else None) == mind.affinity
            assert known.learned == mind.learned
            assert all(isinstance(exchange, Exchange) for exchange in known.exchanges)
            told = self.wait(self.store.summaries("p", npc))
            assert [summary.turn_ids for summary in told] == self.model.told(npc)
            assert all(summary.text == " ".join(summary.turn_ids) for summary in told)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.smaller.undo()
            self.wait(self.store.aclose())
            shutil.rmtree(self.folder, ignore_errors=True)
            self.loop.close()


Story.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
test_story = Story.TestCase
