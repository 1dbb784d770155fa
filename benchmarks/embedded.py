"""What a player waits for with the embedded models, beside what the models alone take.

A real daemon process, SmolLM2 and Kokoro, both warm; a new NPC for each turn, so that no turn knows another. Then,
turn about in the same run, the bare parts: the same prompt straight through the backend plugin to the token that
ends the first sentence, and that sentence straight through the voice process. Both sides have models of their own
loaded, and wait while the other works.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml
from report import Found, Row, Size, Skipped, main, median

from rfsn_bridge import registry
from rfsn_bridge.client import Client, connect
from rfsn_bridge.config import Config
from rfsn_bridge.domain import Decision, LLMRequest, Npc, NpcState, Situation, SpeechRequest, TextDelta, Timeouts
from rfsn_bridge.errors import ModelMissing
from rfsn_bridge.interfaces import LLMBackend, Services
from rfsn_bridge.mind.prompt import build_prompt
from rfsn_bridge.models import catalogue
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import DecisionMade, NpcUpdate, SentenceSaid, TurnFinished
from rfsn_bridge.snapshot import build
from rfsn_bridge.speech.fallback import VoiceChain

BIO = (
    "Jarl of Whiterun, who sits in Dragonsreach. He has stayed out of the war and wants his people safe. His "
    "steward is Proventus Avenicci, his housecarl Irileth. A dragon was seen near the western watchtower."
)
LINES = (
    "What is Whiterun like?",
    "Who rules this city?",
    "Tell me about the dragon.",
    "Where can I find work?",
    "What do you think of the war?",
    "Who is Irileth?",
    "Is the road to the watchtower safe?",
    "Do you trust the Empire?",
)
SPOKEN = {
    "short": "Well met, traveller.",
    "medium": "The road to Riverwood is safe by day, but do not walk it alone.",
    "long": "I have held this hall through two wars and a dragon, and if the Empire or Ulfric Stormcloak believes "
    "that I will give it up without a fight, then neither of them has ever met a Nord of Whiterun.",
}


@dataclass(slots=True)
class Times:
    """Of one turn, in seconds since the player's line was sent."""

    first_token: float = 0.0
    first_sentence: float = 0.0
    first_audio: float = 0.0
    total: float = 0.0
    sentence: str = ""
    decision: DecisionMade | None = None


@dataclass(slots=True)
class Measured:
    """All turns; the lists go together."""

    turns: list[Times] = field(default_factory=list)
    bare_llm: list[float] = field(default_factory=list)
    bare_voice: list[float] = field(default_factory=list)
    factors: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in SPOKEN})
    spoken_s: dict[str, float] = field(default_factory=dict)


def models(*names: str) -> dict[str, Path]:
    """Where these models lie; raises ModelMissing with the command that fetches the first one missing."""
    return {name: catalogue.find(name) for name in names}


def settings(found: dict[str, Path], max_tokens: int = 60) -> dict[str, dict[str, object]]:
    """The defaults with these models by path, and no chance in what is said: both sides say the same."""
    options = {"smollm2": "model", "kokoro": "model", "kokoro-voices": "voices"}
    paths = {name: {options[name]: str(path)} for name, path in found.items()}
    kokoro = paths.get("kokoro", {}) | paths.get("kokoro-voices", {})
    llama_cpp = paths.get("smollm2", {})
    return {
        "llm": {"temperature": 0, "max_tokens": max_tokens, "options": {"llama_cpp": llama_cpp}},
        "tts": {"options": {"kokoro": kokoro}},
    }


@asynccontextmanager
async def real_daemon(document: dict[str, dict[str, object]]) -> AsyncIterator[str]:
    """`python -m rfsn_bridge run` with this config; its url."""
    with tempfile.TemporaryDirectory() as data:
        config = Path(data) / "config.yaml"
        config.write_text(yaml.safe_dump(document), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rfsn_bridge", "run", "--port", "0"),
            *("--config", str(config), "--data", data, "--log-level", "ERROR"),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            line = (await process.stdout.readline()).decode() if process.stdout else ""
            if "listening on " not in line:
                raise RuntimeError("the daemon did not start; try: rfsn-bridge run")
            yield line.split("listening on ")[1].strip()
        finally:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def bare_parts(document: dict[str, dict[str, object]]) -> AsyncIterator[tuple[LLMBackend, VoiceChain]]:
    """The backend plugin and the voice process as the daemon builds them, not warm, and nothing else."""
    with tempfile.TemporaryDirectory() as data:
        async with httpx.AsyncClient(trust_env=False) as web:
            timeouts = Timeouts(first_token_s=120)
            services = Services(web, timeouts, Path(data), catalogue.find, lambda *args, **kwargs: None)
            parts = build(Config.model_validate(document), registry.discover(), services)
            assert parts.voice is not None
            try:
                yield parts.llm, parts.voice
            finally:
                await parts.voice.aclose()
                await parts.llm.aclose()


async def bridge_turn(client: Client, npc: Npc, text: str) -> Times:
    await client.request(
        NpcUpdate(npc_id=npc.npc_id, name=npc.name, race=npc.race, gender=npc.gender, bio=npc.bio)
    )
    times = Times()
    began = time.perf_counter()
    async with await client.say(npc.npc_id, text) as turn:
        async for part in turn:
            now = time.perf_counter() - began
            if isinstance(part, DecisionMade):
                times.decision = part
            elif isinstance(part, SentenceSaid) and not times.sentence:
                times.first_sentence, times.sentence = now, part.text
            elif isinstance(part, AudioFrame) and not times.first_audio:
                times.first_audio = now
            elif isinstance(part, TurnFinished):
                times.total = now
                times.first_token = (part.timings.first_token_ms or 0) / 1000
    return times


async def bare_sentence(llm: LLMBackend, npc: Npc, line: str, turn: Times, config: Config) -> float | None:
    """Seconds to the piece that completes the turn's first sentence, for the daemon's own prompt.

    None if the model now says something else.
    """
    made = turn.decision
    assert made is not None
    decision = Decision(made.signal, made.action, made.style, NpcState(**made.state.model_dump()), (), ())
    messages = build_prompt(
        npc,
        decision,
        line,
        by_player=True,
        situation=Situation(),
        history=(),
        count_tokens=llm.count_tokens,
        budget=2000,
        small=True,
    )
    stop = ("\nPlayer:", "\nUser:", f"\n{npc.name}:")
    request = LLMRequest(messages, config.llm.max_tokens, config.llm.temperature, stop)
    text = ""
    began = time.perf_counter()
    async with aclosing(llm.stream(request)) as stream:  # type: ignore[type-var]
        async for piece in stream:
            text += piece.text if isinstance(piece, TextDelta) else ""
            if turn.sentence in text:
                return time.perf_counter() - began
    return None


async def bare_speech(voice: VoiceChain, text: str) -> tuple[float, float]:
    """Seconds that the synthesis of a text takes, to its last chunk, and seconds of speech."""
    began = time.perf_counter()
    speech_s = 0.0
    async with voice.speak(SpeechRequest(text, "af_bella")) as audio:
        async for chunk in audio:
            speech_s += len(chunk.pcm) / 2 / chunk.sample_rate
    return time.perf_counter() - began, speech_s


async def both_sides(found: dict[str, Path], turns: int, tokens: int, rounds: int) -> Measured:
    document = settings(found, tokens)
    config = Config.model_validate(document)
    measured = Measured()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(real_daemon(document))
        client = await stack.enter_async_context(connect(url, name="embedded", audio="binary", reports=False))
        llm, voice = await stack.enter_async_context(bare_parts(document))
        await llm.warm_up()
        await voice.warm_up()
        for number in range(-1, turns):
            npc = Npc(f"npc-{number}", "Jarl Balgruuf", race="Nord", gender="man", bio=BIO)
            line = LINES[number % len(LINES)]
            times = await bridge_turn(client, npc, line)
            if times.decision is None or not times.sentence:
                raise RuntimeError("the daemon's turn said nothing; try: rfsn-bridge demo")
            at = await bare_sentence(llm, npc, line, times, config)
            synthesis_s, _ = await bare_speech(voice, times.sentence)
            if number < 0:
                continue  # the first of either side warms its caches
            if at is not None:
                measured.turns.append(times)
                measured.bare_llm.append(at)
                measured.bare_voice.append(synthesis_s)
        names = list(SPOKEN)
        for _ in range(rounds):
            random.shuffle(names)
            for name in names:
                spent_s, speech_s = await bare_speech(voice, SPOKEN[name])
                measured.factors[name].append(spent_s / speech_s)
                measured.spoken_s[name] = speech_s
    return measured


def measure(turns: float, tokens: float, rounds: float) -> Iterator[Found]:
    try:
        found = models("smollm2", "kokoro", "kokoro-voices")
    except ModelMissing as missing:
        yield Skipped("the embedded models", f"{missing.message}; {missing.hint}")
        return
    measured = asyncio.run(both_sides(found, int(turns), int(tokens), int(rounds)))
    yield from rows(measured, int(turns), int(tokens))


def rows(measured: Measured, turns: int, tokens: int) -> Iterator[Row]:
    times = measured.turns
    bare = [llm + voice for llm, voice in zip(measured.bare_llm, measured.bare_voice, strict=True)]
    ratios = [turn.first_audio / alone for turn, alone in zip(times, bare, strict=True)]
    letters = statistics.median(len(turn.sentence) for turn in times)
    yield median("first token", "s", [turn.first_token for turn in times], ("<", 1.5))
    yield median("first sentence", "s", [turn.first_sentence for turn in times])
    yield median(
        "first audio", "s", [turn.first_audio for turn in times], note=f"of a sentence of {letters:g} characters"
    )
    yield median(
        "turn_finished",
        "s",
        [turn.total for turn in times],
        note=f"all its sentences spoken, {tokens} tokens at most",
    )
    yield median("bare LLM, to the end of that sentence", "s", measured.bare_llm)
    yield median("bare synthesis of that sentence", "s", measured.bare_voice)
    yield median(
        "first audio / (bare LLM + bare synthesis)",
        "x",
        ratios,
        ("<=", 1.5),
        note=f"a ratio for each turn; both sides said the same in {len(times)} of {turns} turns",
    )
    for name, factors in measured.factors.items():
        speech = f"{measured.spoken_s[name]:.1f} s of speech"
        yield median(f"real-time factor, {name} sentence", "", factors, note=f"{speech}; below 1 keeps up")


if __name__ == "__main__":
    raise SystemExit(
        main(
            __doc__,
            measure,
            turns=Size(16, 3, "turns"),
            tokens=Size(60, 24, "the longest reply, in tokens"),
            rounds=Size(7, 1, "times each sentence is spoken"),
        )
    )
