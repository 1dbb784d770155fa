"""Tapes for the rules to read, written like a play: who says what, and when."""

from __future__ import annotations

import itertools
import json
from typing import Any

from rfsn_bridge.adapter_test.lint import lint
from rfsn_bridge.adapter_test.rule import Finding
from rfsn_bridge.adapter_test.tape import Closed, Event, Opened, Polled, Told, Transport, said
from rfsn_bridge.protocol.messages import Limits

LYDIA = "npc-0042"
CLIENT = {"name": "test", "version": "1", "game": "chess"}


class Tape:
    """One adapter's tape. What the daemon tells is numbered, what the adapter says gets an `id`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.at = 100.0
        self.link = 0
        self._n = itertools.count(1)
        self._ids = map("boot-{}".format, itertools.count(1))

    # --- Single steps

    def wait(self, seconds: float) -> Tape:
        self.at += seconds
        return self

    def open(self, transport: Transport = "websocket") -> Tape:
        self.link += 1
        self.events.append(Opened(self.at, self.link, transport))
        return self

    def close(self, by: Any = "adapter") -> Tape:
        self.events.append(Closed(self.at, self.link, by))
        return self

    def say(self, kind: str, /, **fields: Any) -> Tape:
        """The adapter says something, with an `id` of its own unless one is given (None: without)."""
        message = {"type": kind, "id": fields.pop("id", "new"), **fields}
        if message["id"] == "new":
            message["id"] = next(self._ids)
        return self.frame(json.dumps({key: value for key, value in message.items() if value is not None}))

    def frame(self, frame: str | bytes) -> Tape:
        self.at += 0.01
        self.events.append(said(self.at, self.link, frame))
        return self

    def tell(self, kind: str, /, **fields: Any) -> Tape:
        self.at += 0.01
        n = {} if kind in ("hello", "identified") else {"n": next(self._n)}
        self.events.append(Told(self.at, self.link, {"type": kind, **n, **fields}))
        return self

    def poll(self, after: int) -> Tape:
        self.at += 0.01
        self.events.append(Polled(self.at, self.link, after))
        return self

    # --- Scenes

    def identify(self, *, audio: str = "none", resumed: bool = False, session: str = "s1", **fields: Any) -> Tape:
        capabilities = fields.pop("capabilities", {"audio": audio, "visemes": True, "reports": True})
        usual = {"id": None, "protocol": "1", "client": CLIENT, "playthrough": "p", "capabilities": capabilities}
        self.say("identify", **{**usual, **fields})
        return self.tell(
            "identified", session_id=session, resumed=resumed, limits=Limits().model_dump(), audio=audio
        )

    def connect(self, **fields: Any) -> Tape:
        return self.open().identify(**fields)

    def back(self, last_n: int | None = None, *, resumed: bool = True) -> Tape:
        """The connection is lost to the test, and the adapter resumes."""
        told = [event for event in self.events if isinstance(event, Told)]
        seen = max((event.message.get("n", 0) for event in told), default=0)
        resume = {"session_id": "s1", "last_n": seen if last_n is None else last_n}
        self.close("test").wait(0.1)
        return self.connect(resumed=resumed, session="s1" if resumed else "s2", resume=resume)

    def meet(self, npc_id: str = LYDIA, name: str = "Lydia", **fields: Any) -> Tape:
        return self.say("npc_update", npc_id=npc_id, name=name, **fields).answer()

    def answer(self) -> Tape:
        """The daemon answers what was said last."""
        last = json.loads(self.events[-1].text)  # type: ignore[union-attr,arg-type]
        return self.tell("result", re=last["id"], data={})

    def line(self, turn_id: str = "t1", npc_id: str = LYDIA, **fields: Any) -> Tape:
        """The player says something, and the turn begins."""
        self.say("player_line", npc_id=npc_id, text="Hello!", **fields)
        last = json.loads(self.events[-1].text)  # type: ignore[union-attr,arg-type]
        return self.tell("turn_started", re=last.get("id"), turn_id=turn_id, turn_number=1, npc_id=npc_id)

    def sentence(self, seq: int = 0, turn_id: str = "t1", duration_ms: int | None = 1000) -> Tape:
        text = "Well met."
        return self.tell("sentence", turn_id=turn_id, npc_id=LYDIA, seq=seq, text=text, duration_ms=duration_ms)

    def finish(self, status: str = "completed", turn_id: str = "t1") -> Tape:
        return self.tell("turn_finished", turn_id=turn_id, status=status)

    def report(self, status: str, heard_ms: int | None = None, seq: int = 0, turn_id: str = "t1") -> Tape:
        return self.say("speech_report", turn_id=turn_id, seq=seq, status=status, heard_ms=heard_ms).answer()

    def played(self, seq: int = 0, turn_id: str = "t1") -> Tape:
        return self.report("started", None, seq, turn_id).wait(1).report("ended", 1000, seq, turn_id)

    def turn(self, turn_id: str = "t1") -> Tape:
        """A whole turn of one sentence, played and reported."""
        self.line(turn_id).sentence(turn_id=turn_id).finish(turn_id=turn_id).played(turn_id=turn_id)
        return self.tell("turn_recorded", turn_id=turn_id)

    # --- What is found

    def findings(self) -> list[Finding]:
        return lint(self.events, self.at)

    def broken(self) -> list[str]:
        """The names of the rules that are broken."""
        return [finding.rule for finding in self.findings()]


def met() -> Tape:
    """An adapter that is connected and has told of an NPC."""
    return Tape().connect().meet()
