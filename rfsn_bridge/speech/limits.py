"""What the voice is allowed."""

from dataclasses import dataclass

from rfsn_bridge.speech.pacing import CHARACTERS_PER_S


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the voice may take, in seconds, and how much may wait."""

    open_s: float = 60.0
    answer_s: float = 20.0
    answer_s_per_character: float = 0.3
    cancel_s: float = 5.0
    cooldown_s: float = 10.0
    patience: float = 10.0
    """How much longer than usual an utterance may take, once it is known what is usual."""
    characters: int = 10_000
    """The longest text of one utterance."""
    waiting: int = 64
    """Utterances that wait for their turn; one more is refused."""
    buffered: int = 8 * 1024 * 1024
    """Bytes of PCM (175 s at 24 kHz) that one utterance may be ahead of its reader; then it fails."""

    def allowed_s(self, characters: int, rtf: float | None) -> float:
        """How long an utterance may take before its engine counts as hung.

        `rtf`: seconds of work that a second of speech has taken of late; None: it is not known yet.
        """
        most = self.answer_s + self.answer_s_per_character * characters
        if rtf is None:
            return most
        usual_s = rtf * (1.0 + characters / CHARACTERS_PER_S)
        return min(most, self.cancel_s + self.patience * usual_s)


USUAL = Limits()
