"""When others give the first words of a reply to the voice, and the voice as kokoro-onnx ships it.

A policy sees the reply's tokens as they come and gives what it would have spoken first. The rules are told here in
our own words, from the sources named; a sentence's end is plain in the replies that are measured, so that nobody
wins or loses by an abbreviation.
"""

from __future__ import annotations

import asyncio
import importlib
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rfsn_bridge.speech.child import be_modest

FIRST_WORD = 3
"""Words: Mantella's `number_words_tts`."""
LEAST = 20
"""Characters: LiveKit's `min_sentence_len`."""
_ENDS = re.compile(r"[.!?…]+[\"'”’)]*\s+(?=\S)")
_MANTELLA_ENDS = re.compile(r"[.?!:;]+")


@dataclass(frozen=True, slots=True)
class First:
    """What is spoken first, and how many of the tokens had to be there."""

    text: str
    tokens: int


Policy = Callable[[Sequence[str]], First]


def _first(tokens: Sequence[str], cut: Callable[[str], int]) -> First:
    """`cut` gives where the first piece of the text so far ends; 0: it is not there yet."""
    text = ""
    for number, token in enumerate(tokens, start=1):
        text += token
        if end := cut(text):
            return First(text[:end].strip(), number)
    return First(text.strip(), len(tokens))


def pipecat(tokens: Sequence[str]) -> First:
    """The first sentence whole, once the first character behind it is there.

    pipecat-ai/pipecat, src/pipecat/utils/text/simple_text_aggregator.py: after a mark that ends sentences it waits
    for a character that is no space, then asks its tokenizer.
    """
    return _first(tokens, lambda text: match.end() if (match := _ENDS.search(text)) else 0)


def mantella(tokens: Sequence[str]) -> First:
    """The first sentence whole, at once with its mark, a colon or a semicolon among them; three words at least.

    art-from-the-machine/Mantella, src/llm/output/sentence_end_parser.py and sentence_length_parser.py, which even
    keeps the first sentence until the second is there; that is not held against it.
    """

    def cut(text: str) -> int:
        return next(
            (m.end() for m in _MANTELLA_ENDS.finditer(text) if len(text[: m.end()].split()) >= FIRST_WORD), 0
        )

    return _first(tokens, cut)


def livekit(tokens: Sequence[str]) -> First:
    """Sentences together until they have twenty characters, once the next sentence has begun.

    livekit/agents, livekit-agents/livekit/agents/tokenize/blingfire.py (`min_sentence_len` 20) and token_stream.py
    (a sentence is given out when there is another behind it).
    """

    def cut(text: str) -> int:
        return next((m.end() for m in _ENDS.finditer(text) if len(text[: m.end()].strip()) >= LEAST), 0)

    return _first(tokens, cut)


def quick_yield(tokens: Sequence[str]) -> First:
    """stream2sentence itself, as RealtimeTTS calls it: the first fragment of ten characters and a mark."""
    generate: Any = importlib.import_module("stream2sentence").generate_sentences_async
    given = 0

    async def reply() -> AsyncIterator[str]:
        nonlocal given
        for token in tokens:
            given += 1
            yield token

    async def first() -> str:
        stream = generate(reply(), quick_yield_single_sentence_fragment=True)
        async for piece in stream:
            await stream.aclose()
            return str(piece)
        raise RuntimeError("stream2sentence gave nothing")

    text = asyncio.run(first())
    return First(text.strip(), given)


def policies() -> dict[str, Policy]:
    """Those that can be measured here."""
    found: dict[str, Policy] = {"pipecat": pipecat, "Mantella": mantella, "LiveKit": livekit}
    try:
        quick_yield(["Well met, ", "traveller."])
    except ImportError:
        return found
    return found | {"quick-yield": quick_yield}


# --- kokoro-onnx as shipped -----------------------------------------------------------------------

_shipped: Any = None


class AsShipped:
    """`kokoro_onnx.Kokoro(model, voices).create(text)` in a process of its own, with the priority of our voice."""

    def __init__(self, model: Path, voices: Path) -> None:
        self._pool = ProcessPoolExecutor(1, initializer=_open, initargs=(str(model), str(voices)))

    async def speak(self, text: str) -> tuple[float, float]:
        """Seconds of work until there is sound, and seconds of silence that it begins with."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, _create, text)

    def close(self) -> None:
        self._pool.shutdown()


def _open(model: str, voices: str) -> None:
    global _shipped
    be_modest()
    _shipped = importlib.import_module("kokoro_onnx").Kokoro(model, voices)
    _create("Ready.")


def _create(text: str) -> tuple[float, float]:
    began = time.perf_counter()
    samples, rate = _shipped.create(text, voice="af_bella", lang="en-us")
    return time.perf_counter() - began, leading_silence_s(samples.tolist(), rate)


def leading_silence_s(samples: Sequence[float], rate: int) -> float:
    """Until the sound first comes within 40 dB of its loudest."""
    loud = max(map(abs, samples), default=0.0) / 100
    return next((at for at, sample in enumerate(samples) if abs(sample) > loud), 0) / rate


# --- A busy core ----------------------------------------------------------------------------------


def burn() -> None:
    """What a game's main thread does, for a voice."""
    while True:
        sum(range(10_000))


def tokens_of(text: str) -> list[str]:
    """About what a model's tokens are: words with the space before them, long ones in two, marks by themselves."""
    return list(_pieces(re.findall(r"\s?\w+|\s?[^\w\s]", text)))


def _pieces(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        yield from (word[:7], word[7:]) if len(word) > 8 else (word,)
