"""One sample rate for all of a passage: another engine of the chain may speak its later pieces."""

from rfsn_bridge.domain import AudioChunk


class OneRate:
    """Passes chunks on; those of another rate than the first are made anew in that."""

    def __init__(self) -> None:
        self._rate = 0

    def passed(self, chunk: AudioChunk) -> AudioChunk:
        """A chunk at the rate of the first. A click at its ends beats the wrong pitch."""
        self._rate = self._rate or chunk.sample_rate
        if chunk.sample_rate == self._rate:
            return chunk
        import numpy as np  # hardly ever needed

        from rfsn_bridge.speech.resampling import Resampler

        samples = np.frombuffer(chunk.pcm, "<i2").astype(np.float32)
        made = Resampler(chunk.sample_rate, self._rate).feed(samples, last=True)
        pcm = np.clip(np.rint(made), -32768, 32767).astype("<i2").tobytes()
        return AudioChunk(pcm, self._rate, chunk.timings, chunk.phonemes)
