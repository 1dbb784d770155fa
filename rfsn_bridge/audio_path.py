"""How speech comes to one client, and how it is known what was heard of it."""

from collections.abc import Callable
from functools import partial
from typing import Literal, Protocol

from rfsn_bridge.memory.heard import Hearing, PlayingTime
from rfsn_bridge.observe.metrics import Meter
from rfsn_bridge.protocol.messages import AudioDropped, Capabilities, Played, SpeechStatus
from rfsn_bridge.snapshot import Snapshot
from rfsn_bridge.speech.floor import Floor
from rfsn_bridge.speech.outlets import Files, Frames, Loudspeaker, Outlet
from rfsn_bridge.speech.playback import Playback, Sounded
from rfsn_bridge.turn import Delivery, Output, RunningTurn

_LATEST_REPORT_S = 1.5
_LATEST_PLAYED_S = 30.0
"""How late it may be told that a sound is over: by a client, and by our own player, which always tells."""

LOST = "the sound was lost"

AudioMode = Literal["binary", "file", "daemon", "none"]
Report = Callable[[RunningTurn, int, SpeechStatus, int], object]


class Daemon(Protocol):
    """What this needs of the bridge."""

    @property
    def snapshot(self) -> Snapshot: ...
    @property
    def playback(self) -> Playback: ...
    @property
    def meter(self) -> Meter: ...


class AudioPath:
    """Of one client. `report` is told what the daemon's own player played of a turn."""

    def __init__(
        self, capabilities: Capabilities, bridge: Daemon, out: Output, playing: PlayingTime, report: Report
    ) -> None:
        self._capabilities = capabilities
        self._bridge = bridge
        self._out = out
        self._playing = playing
        self._report = report
        late_s = _LATEST_PLAYED_S if self.audio == "daemon" else _LATEST_REPORT_S if self._reports else 0.0
        one_at_a_time = bridge.snapshot.config.speech.one_at_a_time
        self.floor = Floor(playing, late_s=late_s, one_at_a_time=one_at_a_time)
        if self.audio == "daemon":
            bridge.playback.pause(False)  # a game that was lost in a menu says no more that it goes on

    @property
    def audio(self) -> AudioMode:
        """What the client gets, which may be less than it can take."""
        wanted, snapshot = self._capabilities.audio, self._bridge.snapshot
        if snapshot.voice is None:
            return "none"
        return "none" if wanted == "file" and not snapshot.wave_files else wanted

    @property
    def _reports(self) -> bool:
        """Whether it is told what was played."""
        return self._capabilities.reports or self.audio == "daemon"

    @property
    def delivery(self) -> Delivery:
        if self.audio != "none":
            return Delivery.ALOUD
        return Delivery.PACED if self._capabilities.visemes else Delivery.SHOWN

    @property
    def hearing(self) -> Hearing:
        delivery = self.delivery
        if delivery is Delivery.SHOWN:
            return Hearing.SHOWN
        if self._reports:
            return Hearing.REPORTED
        return Hearing.SHOWN if delivery is Delivery.PACED else Hearing.PLAYED

    def outlet(self, turn: RunningTurn) -> Outlet:
        """The way of a turn's sound."""
        files = self._bridge.snapshot.wave_files
        if self.audio == "file" and files:
            voice_type = turn.line.npc.voice_type
            return Files(turn.turn_id, files, voice_type, turn, turn.heard, self._playing)
        if self.audio == "daemon":
            npc_id, playback = turn.line.npc.npc_id, self._bridge.playback
            playback.focus(npc_id if turn.line.by_player else None)
            tell = partial(self._sounded, turn)
            return Loudspeaker(turn.turn_id, npc_id, playback, tell, turn, turn.heard, self._playing)
        lips = self._capabilities.visemes
        return Frames(turn.turn_id, turn.number, turn, turn.heard, self._playing, lips=lips)

    def pause(self, *, paused: bool) -> None:
        """The game stands still, or goes on."""
        self._playing.pause(paused=paused)
        self.floor.wake()
        if self.audio == "daemon":
            self._bridge.playback.pause(paused)

    def stop(self, turn: RunningTurn, within_ms: int) -> None:
        """Nothing more of a turn is to be heard: at the next word, or after this time."""
        self._bridge.playback.stop(turn.turn_id, within_ms=within_ms)

    def _sounded(self, turn: RunningTurn, sounded: Sounded) -> None:
        """Our own player tells what became of a passage."""
        if sounded.status == "underrun":
            self._bridge.meter.underruns += 1
            return
        lost = turn.heard.unspoken(sounded.seq) if sounded.status == "aborted" and not turn.silenced else ()
        for seq in lost:  # the player crashed: it is shown all the same
            turn.heard.speech_dropped(seq)
            self._out.send(AudioDropped(turn_id=turn.turn_id, seq=seq, reason=LOST))
        if not lost:
            seq, status, heard_ms = sounded.seq, sounded.status, sounded.heard_ms
            self._out.send(Played(turn_id=turn.turn_id, seq=seq, status=status, heard_ms=heard_ms))
        self._report(turn, sounded.seq, sounded.status, sounded.heard_ms)
