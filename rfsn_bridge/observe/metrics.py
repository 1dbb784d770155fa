"""Counters and the latest times of the daemon, as `metrics` and `/health` show them."""

from dataclasses import dataclass, field

from rfsn_bridge.domain import TurnStatus
from rfsn_bridge.protocol.messages import Metrics, Timings


@dataclass(slots=True)
class Meter:
    """Mutated in place on the event loop; every figure counts from the daemon's start."""

    turns_running: int = 0
    turns: dict[TurnStatus, int] = field(default_factory=lambda: dict.fromkeys(TurnStatus, 0))
    dropped_sentences: int = 0
    vetoed_sentences: int = 0
    underruns: int = 0
    """How often speech that the daemon plays ran dry."""
    refused_actions: int = 0
    """Answers of a language model that asked for what is not registered or not legal."""
    latest: Timings | None = None

    def turn_finished(self, status: TurnStatus, timings: Timings) -> None:
        self.turns_running -= 1
        self.turns[status] += 1
        self.latest = timings

    def message(self, *, tts_queue_size: int, sessions: int) -> Metrics:
        latest = self.latest or Timings(total_ms=0)
        return Metrics(
            first_token_ms=latest.first_token_ms,
            first_sentence_ms=latest.first_sentence_ms,
            first_audio_ms=latest.first_audio_ms,
            total_generation_ms=latest.total_ms if self.latest else None,
            tts_queue_size=tts_queue_size,
            dropped_sentences=self.dropped_sentences,
            turns_running=self.turns_running,
            turns_completed=self.turns[TurnStatus.COMPLETED],
            turns_interrupted=self.turns[TurnStatus.INTERRUPTED],
            turns_failed=self.turns[TurnStatus.FAILED],
            sessions=sessions,
        )
