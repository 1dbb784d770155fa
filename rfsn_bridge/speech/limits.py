"""What the voice is allowed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the voice may take, in seconds, and how much may wait."""

    open_s: float = 60.0
    answer_s: float = 20.0
    answer_s_per_character: float = 0.3
    cancel_s: float = 5.0
    cooldown_s: float = 10.0
    characters: int = 10_000
    """The longest text of one utterance."""
    waiting: int = 64
    """Utterances that wait for their turn; one more is refused."""
    buffered: int = 8 * 1024 * 1024
    """Bytes of PCM (175 s at 24 kHz) that one utterance may be ahead of its reader; then it fails."""


USUAL = Limits()
