"""All that sounds at the same time, mixed into what the loudspeaker wants next.

`mix` runs in the sound system's callback: it reads prepared samples into prepared buffers and makes no array of
its own. Whatever costs time (converting samples to the device's rate above all) is done by who feeds. Each turn
has a voice, which sounds its clips one after another; every gain goes to its target gradually.
"""

import math
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfsn_bridge.speech.clip import Clip, Fades
from rfsn_bridge.speech.places import MIDDLE, sides
from rfsn_bridge.speech.resampling import Samples
from rfsn_bridge.speech.wire import Kind

VOICES = 16
CLIPS = 64
"""Of one voice."""
BLOCK = 1024
"""Frames that are mixed at once; a larger request is mixed in several steps."""
CEILING = 0.98
_SMOOTH_S = 0.03
_RELEASE_S = 0.2
_EVENTS = 4096

News = tuple[Kind, str, int, int]
"""What became of an utterance: the kind, its turn, its number, and milliseconds (heard, or missing)."""


@dataclass(slots=True)
class Mix:
    """What is set from outside."""

    volume: float = 1.0
    mute: bool = False
    duck: float = 0.5
    attenuation: bool = True
    focus: str = ""
    """The NPC that the player talks to."""


class _Voice:
    def __init__(self, turn: str, npc: str) -> None:
        self.turn, self.npc = turn, npc
        self.clips: list[Clip] = []
        self.at = 0
        """Which of them sounds; those before it are over."""
        self.left = self.right = -1.0
        """The gains at the end of the last block; below 0 before the first."""
        self.placed = MIDDLE
        self.spoke = False

    @property
    def clip(self) -> Clip | None:
        return self.clips[self.at] if self.at < len(self.clips) else None


class Mixer:
    """All methods may be called from any thread. `news` is called where there is some, and must return at once."""

    def __init__(self, rate: int, news: Callable[[], None] = lambda: None) -> None:
        self.rate = rate
        self.levels = Mix()
        self._news = news
        self._events: deque[News] = deque(maxlen=_EVENTS)
        self._mixing = threading.Lock()
        self._feeding = threading.Lock()
        """Taken before the other one, and kept while samples are converted."""
        self._voices: list[_Voice] = []
        self._ear: tuple[Sequence[float], Sequence[float]] | None = None
        self._mouths: dict[str, Sequence[float]] = {}
        self._paused = False
        self._still = False
        """Whether the fall into a pause is done."""
        self._limit = 1.0
        self._mono, self._scaled, self._ramp, self._left, self._right = (
            np.zeros(BLOCK, np.float32) for _ in range(5)
        )
        self._counted: Samples = np.arange(1, BLOCK + 1, dtype=np.float32)
        self._fades = Fades(rate)

    # --- What is asked for ---

    def begin(self, turn: str, seq: int, npc: str, sample_rate: int, pause_ms: int = 0) -> bool:
        """Whether there is room for one more."""
        with self._mixing:
            self._forget()
            voice = next((each for each in self._voices if each.turn == turn), None)
            if voice is None:
                if len(self._voices) >= VOICES:
                    return False
                voice = _Voice(turn, npc)
                voice.placed = self._place(npc)
                self._voices.append(voice)
            if len(voice.clips) >= CLIPS:
                return False
            voice.clips.append(Clip(turn, seq, sample_rate, self.rate, pause_ms))
            return True

    def feed(self, turn: str, seq: int, pcm: bytes, words_ms: Sequence[int] = ()) -> None:
        """16-bit mono PCM, behind what is there."""
        with self._feeding:
            if clip := self._find(turn, seq):
                samples = np.frombuffer(pcm, "<i2").astype(np.float32)
                samples *= 1 / 32768
                self._append(clip, clip.resampler.feed(samples), words_ms)

    def finish(self, turn: str, seq: int) -> None:
        """Nothing more comes."""
        with self._feeding:
            if clip := self._find(turn, seq):
                self._append(clip, clip.resampler.feed(np.zeros(0, np.float32), last=True))
                with self._mixing:
                    clip.finish()

    def stop(self, turn: str, seq: int | None = None, within_ms: int = 0) -> None:
        """End the utterance, or all of the turn; what has not begun is over at once."""
        with self._mixing:
            for voice in self._voices:
                if voice.turn == turn:
                    self._stop(voice, seq, within_ms * self.rate // 1000)
        self._news()

    def pause(self, paused: bool) -> None:
        with self._mixing:
            self._paused = paused

    def places(
        self,
        listener: tuple[Sequence[float], Sequence[float]] | None = None,
        npcs: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        """Where everybody is; who is not named stays."""
        with self._mixing:
            self._ear = listener or self._ear
            self._mouths.update(npcs or {})
            while len(self._mouths) > 256:
                del self._mouths[next(iter(self._mouths))]
            for voice in self._voices:
                voice.placed = self._place(voice.npc)

    def tune(self, **levels: Any) -> None:
        """Set the named fields of `levels`."""
        with self._mixing:
            for name, value in levels.items():
                setattr(self.levels, name, value)
            for voice in self._voices:
                voice.placed = self._place(voice.npc)

    def retune(self, rate: int) -> None:
        """The device wants another sample rate from here on."""
        with self._feeding, self._mixing:
            for voice in self._voices:
                for clip in voice.clips[voice.at :] if rate != self.rate else []:
                    clip.retune(rate)
            self.rate, self._fades = rate, Fades(rate)

    # --- What came of it ---

    @property
    def busy(self) -> bool:
        return bool(self._voices)

    def take_news(self) -> list[News]:
        """What has happened since, in order; what is over is forgotten."""
        with self._mixing:
            self._forget()
            news = list(self._events)
            self._events.clear()
            return news

    def heard(self) -> list[News]:
        """How far those are that are not over and have had their turn."""
        with self._mixing:
            clips = [voice.clip for voice in self._voices]
            return [(Kind.HEARD, clip.turn, clip.seq, clip.heard_ms) for clip in clips if clip is not None]

    # --- The callback ---

    def mix(self, out: NDArray[np.float32]) -> None:
        """Fill `out`, of shape (frames, 2), with what sounds next."""
        with self._mixing:
            had = len(self._events)
            for at in range(0, len(out), BLOCK):
                self._mix(out[at : at + BLOCK])
            told = len(self._events) > had
        if told:
            self._news()

    def _mix(self, out: NDArray[np.float32]) -> None:
        frames = len(out)
        if (self._paused and self._still) or not self._voices:
            self._still = self._paused
            out.fill(0)
            return
        sounding = min(frames, self._fades.length) if self._paused else frames
        left, right = self._left[:frames], self._right[:frames]
        left.fill(0)
        right.fill(0)
        focused = self._focused
        for voice in self._voices:
            if voice.at < len(voice.clips):
                self._mix_voice(voice, sounding, focused)
        if self._paused != self._still:
            fade = self._fades.fall if self._paused else self._fades.rise
            count = min(frames, self._fades.length)
            for side in (left, right):
                np.multiply(side[:count], fade[:count], out=side[:count])
            self._still = self._paused
        self._guard(left, right)
        out[:, 0] = left
        out[:, 1] = right

    def _mix_voice(self, voice: _Voice, frames: int, focused: bool) -> None:
        mono = self._mono[:frames]
        mono.fill(0)
        self._read(voice, mono)
        levels = self.levels
        gain = 0.0 if levels.mute else levels.volume
        if focused and voice.npc != levels.focus:
            gain *= levels.duck
        pace = 1 - math.exp(-frames / (self.rate * _SMOOTH_S))
        voice.left = self._add(mono, self._left[:frames], voice.left, gain * voice.placed[0], pace)
        voice.right = self._add(mono, self._right[:frames], voice.right, gain * voice.placed[1], pace)

    def _read(self, voice: _Voice, mono: Samples) -> None:
        """Read the voice's clips, one after another."""
        at = 0
        while at < len(mono) and voice.at < len(voice.clips):
            clip = voice.clips[voice.at]
            if clip.pause:
                silent = min(clip.pause, len(mono) - at)
                clip.pause -= silent
                at += silent
                continue
            fresh = not clip.started
            at += clip.read(mono, at)
            if fresh and clip.started:
                voice.spoke = True
                self._events.append((Kind.STARTED, clip.turn, clip.seq, 0))
            if not clip.over:
                break
            kind = Kind.ABORTED if clip.aborted else Kind.ENDED
            self._events.append((kind, clip.turn, clip.seq, clip.heard_ms))
            voice.at += 1

    def _add(self, mono: Samples, side: Samples, gain: float, target: float, pace: float) -> float:
        """Add the voice to a side, its gain on the way from `gain` to `target`; where the gain has come to."""
        scaled = self._scaled[: len(mono)]
        if gain < 0 or abs(target - gain) < 1e-4:
            np.multiply(mono, np.float32(target), out=scaled)
            gain = target
        else:
            ramp = self._ramp[: len(mono)]
            step = (target - gain) * pace
            np.multiply(self._counted[: len(mono)], step / len(mono), out=ramp)
            np.add(ramp, gain, out=ramp)
            np.multiply(mono, ramp, out=scaled)
            gain += step
        np.add(side, scaled, out=side)
        return gain

    def _guard(self, left: Samples, right: Samples) -> None:
        """Keep the sum below the ceiling: down at once, up again slowly."""
        high = max(np.maximum.reduce(left), np.maximum.reduce(right))
        low = min(np.minimum.reduce(left), np.minimum.reduce(right))
        peak = max(float(high), -float(low))
        allowed = CEILING / peak if peak > CEILING else 1.0
        if allowed == 1.0 and self._limit > 0.999:
            self._limit = 1.0
            return
        before = self._limit
        if allowed < before:
            self._limit, count = allowed, min(len(left), self._fades.length)
        else:
            recovered = before + (1 - before) * (1 - math.exp(-len(left) / (self.rate * _RELEASE_S)))
            self._limit, count = min(allowed, recovered), len(left)
        ramp = self._ramp[: len(left)]
        np.multiply(self._counted[: len(left)], (self._limit - before) / count, out=ramp)
        np.add(ramp, before, out=ramp)
        ramp[count:] = self._limit
        for side in (left, right):
            np.multiply(side, ramp, out=side)
            np.minimum(side, 1.0, out=side)
            np.maximum(side, -1.0, out=side)

    # --- Called with the lock held ---

    def _forget(self) -> None:
        """Let go of what is over."""
        for voice in self._voices:
            del voice.clips[: voice.at]
            voice.at = 0
        self._voices = [voice for voice in self._voices if voice.clips]

    @property
    def _focused(self) -> bool:
        """Whether the NPC that the player talks to speaks just now."""
        focus = self.levels.focus
        for voice in self._voices:
            if focus and voice.npc == focus and voice.spoke and voice.at < len(voice.clips):
                return True
        return False

    def _place(self, npc: str) -> tuple[float, float]:
        mouth = self._mouths.get(npc)
        if self._ear is None or mouth is None:
            return MIDDLE
        return sides(*self._ear, mouth, attenuation=self.levels.attenuation)

    def _stop(self, voice: _Voice, seq: int | None, within: int) -> None:
        for clip in list(voice.clips[voice.at :]):
            if seq is not None and clip.seq != seq:
                continue
            clip.cut(0 if self._still else within)
            if not clip.started or self._still or clip.over:
                clip.end = clip.heard
                voice.clips.remove(clip)
                self._events.append((Kind.ABORTED, clip.turn, clip.seq, clip.heard_ms))

    def _find(self, turn: str, seq: int) -> Clip | None:
        with self._mixing:
            for voice in self._voices:
                for clip in voice.clips[voice.at :] if voice.turn == turn else ():
                    if clip.seq == seq and not clip.over:
                        return clip
        return None

    def _append(self, clip: Clip, samples: Samples, words_ms: Sequence[int] = ()) -> None:
        with self._mixing:
            late = clip.feed(samples, list(words_ms))
            if late:
                self._events.append((Kind.UNDERRUN, clip.turn, clip.seq, clip.ms(late)))
