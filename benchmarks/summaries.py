"""What does a very small model make of a history that it is to sum up?

SmolLM2 in its own process, as the daemon starts it, sums up talks of twelve exchanges, in the short and in the
full words, with fixed seeds; then the daemon's own check says which of its answers would be kept, and patterns
count what a person would want to find there. `--answers 1` prints them.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import yaml
from prompts import embedded, share
from report import Found, Size, Skipped, main, median

from rfsn_bridge.domain import Exchange, LLMRequest, TextDelta, Timeouts, Usage
from rfsn_bridge.errors import ModelMissing
from rfsn_bridge.mind.summary import ask_for_summary, usable
from rfsn_bridge.mind.templates import builtin_prompts
from rfsn_bridge.models import catalogue
from rfsn_bridge.openai_chat import OpenAIChat
from rfsn_bridge.speech.reply import ReplyFilter

TALKS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "data" / "summaries.yaml").read_text(encoding="utf-8")
)["talks"]


def measure(seeds: float, answers: float) -> Iterator[Found]:
    try:
        model = catalogue.find("smollm2")
    except ModelMissing as missing:
        yield Skipped("SmolLM2", f"{missing.message}; {missing.hint}")
        return
    yield from asyncio.run(everything(model, int(seeds), bool(answers)))


async def everything(model: Path, seeds: int, show: bool) -> list[Found]:
    rows: list[Found] = []
    async with httpx.AsyncClient(trust_env=False) as web, embedded(model) as (address, key):
        for profile, small in (("short", True), ("full", False)):
            kept: list[bool] = []
            facts: list[float] = []
            seconds: list[float] = []
            tokens: list[float] = []
            for talk in TALKS:
                said = [Exchange(*line.split(" | ")) for line in talk["said"].strip().splitlines()]
                name = talk["npc"]
                words = builtin_prompts().words("", small=small)
                request = LLMRequest(ask_for_summary(words, name, [(name, each) for each in said]), 160, 0.3)
                for seed in range(seeds):
                    extra = {"repeat_penalty": 1.1, "min_p": 0.1, "seed": seed}
                    patience = Timeouts(first_token_s=120)
                    chat = OpenAIChat(web, f"{address}/v1", timeouts=patience, api_key=key, extra=extra)
                    began = time.perf_counter()
                    answer, asked = await _whole(chat, request)
                    seconds.append(time.perf_counter() - began)
                    tokens.append(asked)
                    text = usable(answer, [talk["said"]], (name, "Player"))
                    kept.append(text is not None)
                    if text is not None:
                        found = [bool(re.search(pattern, text, re.I)) for pattern in talk["facts"]]
                        facts.append(100 * sum(found) / len(found))
                    if show:
                        print(f"{profile}, {name}, {'kept' if text else 'refused'}: {answer}", file=sys.stderr)
            rows.append(share(f"{profile}: kept", kept))
            rows.append(median(f"{profile}: what matters, of those kept", "%", facts or [0.0]))
            rows.append(median(f"{profile}: one summary", "s", seconds))
            rows.append(median(f"{profile}: prompt", "tokens", tokens))
    return rows


async def _whole(chat: OpenAIChat, request: LLMRequest) -> tuple[str, int]:
    reply, answer, tokens = ReplyFilter("Summary"), "", 0
    async with aclosing(chat.stream(request)) as stream:
        async for part in stream:
            if isinstance(part, TextDelta):
                answer += reply.feed(part.text)
            elif isinstance(part, Usage):
                tokens = part.prompt_tokens
    return answer + reply.flush(), tokens


if __name__ == "__main__":
    raise SystemExit(
        main(
            __doc__,
            measure,
            seeds=Size(3, 1, "samples of each summary"),
            answers=Size(0, 0, "1: print every answer"),
        )
    )
