"""A passage has one sample rate, whoever speaks its pieces."""

import numpy as np

from rfsn_bridge.domain import AudioChunk
from rfsn_bridge.speech.one_rate import OneRate


def tone(rate: int, seconds: float = 0.5) -> AudioChunk:
    wave = 8000 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)
    return AudioChunk(wave.astype("<i2").tobytes(), rate)


def test_a_later_piece_of_another_rate_keeps_its_pitch_and_length() -> None:
    passage = OneRate()
    first = tone(24000)
    assert passage.passed(first) is first
    second = passage.passed(tone(22050))
    assert second.sample_rate == 24000
    samples = np.frombuffer(second.pcm, "<i2")
    assert abs(len(samples) - 12000) <= 1
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert abs(np.argmax(spectrum) * 24000 / len(samples) - 440) < 2
