"""Asking the language model which game action goes with a reply: once, and once more if its answer does not fit.

Where a backend constrains its output to a JSON schema, the first answer fits; elsewhere an unfit one is answered
by what was wrong with it. A model that fails here costs the action and nothing else.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from rfsn_bridge.domain import ActionCall, LLMRequest, Message, TextDelta, Usage
from rfsn_bridge.errors import LLMError
from rfsn_bridge.interfaces import LLMBackend
from rfsn_bridge.mind.game_actions import Offer, UnfitAnswer, json_schema, read

log = logging.getLogger(__name__)

_TOKENS = 120
_CHARACTERS = 4000
_TRIES = 2


@dataclass(slots=True)
class Choice:
    """The action to take, if any, what asking for it cost, and how many answers were refused."""

    call: ActionCall | None = None
    usage: Usage | None = None
    refused: int = 0


async def choose_action(llm: LLMBackend, asked: tuple[Message, ...], offer: Offer) -> Choice:
    """Which of the actions on offer the model takes, in the conversation that asks for one."""
    choice = Choice()
    request = LLMRequest(asked, _TOKENS, 0.0, json_schema=json_schema(offer))
    for _ in range(_TRIES):
        try:
            answer = await _whole(llm, request, choice)
        except LLMError as error:
            log.warning("no action, because the language model failed: %s", error)
            return choice
        try:
            choice.call = read(answer, offer)
            return choice
        except UnfitAnswer as error:
            choice.refused += 1
            correction = Message("user", f"(That cannot be: {error}. Answer again, with one JSON object.)")
            request = replace(request, messages=(*asked, Message("assistant", answer or "{}"), correction))
    log.info("no action, because what the language model asked for is not on offer")
    return choice


async def _whole(llm: LLMBackend, request: LLMRequest, choice: Choice) -> str:
    """A reply as a whole, and no more of it than an answer can need."""
    answer = ""
    async with opened(llm, request) as stream:
        async for part in stream:
            if isinstance(part, TextDelta):
                answer += part.text
            elif isinstance(part, Usage):
                choice.usage = added(choice.usage, part) if choice.usage else part
            if len(answer) > _CHARACTERS:
                break
    return answer


def added(one: Usage, other: Usage) -> Usage:
    """What two completions cost together."""
    costs = [usage.cost for usage in (one, other) if usage.cost is not None]
    return Usage(
        one.prompt_tokens + other.prompt_tokens,
        one.completion_tokens + other.completion_tokens,
        sum(costs) if costs else None,
    )


@asynccontextmanager
async def opened(llm: LLMBackend, request: LLMRequest) -> AsyncIterator[AsyncIterator[TextDelta | Usage]]:
    """A backend's stream, closed at the end of the block; a plain iterator has nothing to close."""
    stream = llm.stream(request)
    try:
        yield stream
    finally:
        if close := getattr(stream, "aclose", None):
            await close()
