"""Does a very small model stay in character and do as it is told, and what is that in tokens?

SmolLM2 in its own process, as the daemon starts it, answers a fixed set of lines to four NPCs (one with examples
of its own, three without) with fixed seeds: with the words before they were measured, with the short and the full
prompt, then the short one in every style. Patterns judge the replies, roughly; `--replies 1` prints them.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from report import Found, Row, Size, Skipped, main, median

from rfsn_bridge import paths
from rfsn_bridge.domain import (
    Action,
    Decision,
    Exchange,
    LLMRequest,
    Message,
    Mood,
    Npc,
    NpcState,
    Relationship,
    Signal,
    Situation,
    Style,
    TextDelta,
    Timeouts,
    Usage,
)
from rfsn_bridge.errors import ModelMissing
from rfsn_bridge.mind.prompt import build_prompt, most_sentences
from rfsn_bridge.mind.templates import Prompts, builtin_prompts, load_prompts
from rfsn_bridge.models import catalogue
from rfsn_bridge.openai_chat import OpenAIChat, estimate_tokens
from rfsn_bridge.speech.reply import ReplyFilter
from rfsn_bridge.speech.sentences import SentenceSplitter

DATA: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "data" / "prompts.yaml").read_text(encoding="utf-8")
)
FOLLOWS = {Action(name): re.compile(pattern, re.I) for name, pattern in DATA["follows"].items()}
SENTENCES = 3  # as config.yaml has it for this model
TEMPERATURE = 0.4
META = re.compile(
    r"\bas an? (ai|npc)\b|language model|\bassistant\b|\bthe player\b|role-?play|\bprompt\b|instruction|\bnpc\b|"
    r"how (can|may) i (assist|help) you today|here('s| is) (a|an|the|my) (\w+ )?(response|answer|example)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One line to one NPC."""

    npc: Npc
    line: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Reply:
    ask: Ask
    text: str
    tokens: int
    first_s: float | None
    """Until the first token, if nothing of the prompt had been read before."""
    strays: str
    """Why it is out of character; empty where it is not."""

    @property
    def follows(self) -> bool | None:
        """Whether it does what was decided; None where that was only to answer."""
        pattern = FOLLOWS.get(self.ask.decision.action)
        return bool(pattern.search(self.text)) if pattern else None

    @property
    def words(self) -> int:
        return len(self.text.split())


def npcs() -> list[Npc]:
    made = []
    for given in DATA["npcs"]:
        examples = tuple(Exchange(each["player"], each["npc"]) for each in given.get("examples", ()))
        made.append(Npc(**{**given, "examples": examples}))
    return made


def asks(lines: Iterable[dict[str, Any]], who: Iterable[Npc], style: Style) -> list[Ask]:
    kinds: dict[str, Callable[[Any], Any]] = {"mood": Mood, "relationship": Relationship}
    made = []
    for npc in who:
        for line in lines:
            state = NpcState(
                **{key: kinds.get(key, type(value))(value) for key, value in line.get("state", {}).items()}
            )
            decision = Decision(Signal.QUESTION, Action(line["action"]), style, state, (), ())
            made.append(Ask(npc, line["say"], decision))
    return made


def prompt(ask: Ask, prompts: Prompts, small: bool) -> tuple[Message, ...]:
    return build_prompt(
        ask.npc,
        ask.decision,
        ask.line,
        by_player=True,
        situation=Situation(),
        history=(),
        count_tokens=estimate_tokens,
        budget=2000,
        prompts=prompts,
        small=small,
    )


@asynccontextmanager
async def embedded(model: Path) -> AsyncIterator[tuple[str, str]]:
    """The plugin's process; its address and key."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", str(paths.builtin_plugins / "llm_llama_cpp.py"), "--serve"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None and process.stdout is not None
    order = {
        "model": str(model),
        "key": "benchmark",
        "parallel": 1,
        "context": 4096,
        "gpu_layers": 0,
        "threads": 1,
    }
    process.stdin.write(json.dumps(order).encode() + b"\n")
    try:
        yield json.loads(await process.stdout.readline())["address"], "benchmark"
    finally:
        process.stdin.close()
        await process.wait()


async def replies(
    chat: Callable[[int], OpenAIChat], asked: list[Ask], seeds: int, prompts: Prompts, small: bool
) -> list[Reply]:
    found = []
    met: set[str] = set()
    for ask in asked:
        messages = prompt(ask, prompts, small)
        for seed in range(seeds):
            stop = ("\nPlayer:", "\nUser:", f"\n{ask.npc.name}:")
            request = LLMRequest(messages, 80, TEMPERATURE, stop)
            raw, tokens, began, first_s = "", 0, time.perf_counter(), None
            async with aclosing(chat(seed).stream(request)) as stream:
                async for part in stream:
                    if isinstance(part, TextDelta):
                        raw += part.text
                        first_s = time.perf_counter() - began if first_s is None else first_s
                    elif isinstance(part, Usage):
                        tokens = part.prompt_tokens
            text = spoken(raw, ask, small)
            new = ask.npc.npc_id not in met
            met.add(ask.npc.npc_id)
            note = messages[-1].content.replace(ask.line, " ")
            found.append(Reply(ask, text, tokens, first_s if new else None, strays(text, ask, note)))
    return found


def spoken(raw: str, ask: Ask, small: bool) -> str:
    """What a player would hear of it."""
    reply, splitter = ReplyFilter(ask.npc.name), SentenceSplitter()
    sentences = [*splitter.feed(reply.feed(raw) + reply.flush()), *splitter.flush()]
    return " ".join(sentences[: most_sentences(ask.decision.style, SENTENCES, small=small)])


def strays(text: str, ask: Ask, note: str) -> str:
    words = re.findall(r"[\w']+", text.lower())
    said = " ".join(words)
    noted = re.findall(r"[\w']+", note.lower())
    line = " ".join(re.findall(r"[\w']+", ask.line.lower()))
    fours = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
    name = re.escape(ask.npc.name.split()[-1])
    reasons = {
        "says nothing": not words,
        "talks of itself as a program": bool(META.search(text)),
        "speaks brackets": bool(re.search(r"[(\[<]", text)),
        "speaks the note": any(" ".join(noted[i : i + 3]) in said for i in range(len(noted) - 2)),
        "says the player's line": len(line) > 12 and line in said,
        "goes round in circles": len(fours) - len(set(fours)) >= 2,
        "narrates": bool(re.search(rf"\b{name} (says?|said|nods|is|was|looks|replies)\b|^\*", text, re.I)),
        "changes the language": any(c.isalpha() and ord(c) > 0x24F for c in text),
    }
    return next((reason for reason, true in reasons.items() if true), "")


def measure(seeds: float, replies: float) -> Iterator[Found]:
    try:
        model = catalogue.find("smollm2")
    except ModelMissing as missing:
        yield Skipped("SmolLM2", f"{missing.message}; {missing.hint}")
        return
    yield from asyncio.run(everything(model, int(seeds), bool(replies)))


async def everything(model: Path, seeds: int, show: bool) -> list[Found]:
    everybody = npcs()
    without = [npc for npc in everybody if not npc.examples]
    before = load_prompts([("before", yaml.safe_dump(DATA["before"]).encode())])
    rows: list[Found] = []
    async with httpx.AsyncClient(trust_env=False) as web, embedded(model) as (address, key):

        def chat(seed: int) -> OpenAIChat:
            extra = {"repeat_penalty": 1.1, "min_p": 0.1, "seed": seed}
            patience = Timeouts(first_token_s=120)
            return OpenAIChat(web, f"{address}/v1", timeouts=patience, api_key=key, extra=extra)

        for name, prompts, small in (
            ("before", before, True),
            ("short", builtin_prompts(), True),
            ("full", builtin_prompts(), False),
        ):
            for whose, who in (("own examples", [n for n in everybody if n.examples]), ("no examples", without)):
                asked = asks(DATA["lines"], who, Style.NEUTRAL_BALANCED)
                found = await _told(chat, asked, seeds, prompts, small, show)
                rows += judged(f"{name}, {whose}", found)
        styled = [line for line in DATA["lines"] if line["say"] in DATA["styled"]]
        for style in Style:
            found = await _told(chat, asks(styled, without, style), seeds, builtin_prompts(), True, show)
            rows.append(median(f"short, {style.value}: words", "", [reply.words for reply in found]))
    return rows


async def _told(
    chat: Callable[[int], OpenAIChat], asked: list[Ask], seeds: int, prompts: Prompts, small: bool, show: bool
) -> list[Reply]:
    found = await replies(chat, asked, seeds, prompts, small)
    for reply in found if show else ():
        decision = reply.ask.decision
        marks = reply.strays or ("" if reply.follows in (True, None) else "does not follow")
        what = f"{reply.ask.npc.npc_id}, {decision.action.value}, {decision.style.value}"
        print(f"{what}: {reply.ask.line} -> {reply.text} [{marks}]", file=sys.stderr)
    return found


def judged(name: str, found: list[Reply]) -> Iterator[Row]:
    reasons = statistics.multimode([reply.strays for reply in found if reply.strays])
    note = f"mostly: {', '.join(reasons)}" if reasons else ""
    yield share(f"{name}: in character", [not reply.strays for reply in found], note)
    yield share(f"{name}: follows", [reply.follows for reply in found if reply.follows is not None])
    yield median(f"{name}: words", "", [reply.words for reply in found])
    yield median(f"{name}: prompt", "tokens", [reply.tokens for reply in found])
    yield median(f"{name}: first token, cold", "s", [r.first_s for r in found if r.first_s is not None])


def share(what: str, held: list[bool], note: str = "") -> Row:
    """In per cent, with Wilson's 95 % interval."""
    n, p, z = len(held), sum(held) / len(held), 1.96
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (100 * (middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return Row(what, "%", 100 * p, low, high, n, None, note)


if __name__ == "__main__":
    raise SystemExit(
        main(
            __doc__,
            measure,
            seeds=Size(2, 1, "samples of each reply"),
            replies=Size(0, 0, "1: print every reply"),
        )
    )
