"""What the people of Dragonsreach answer: a language model that goes by what the player said."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator

from rfsn_bridge.domain import LLMRequest, TextDelta, Usage
from rfsn_bridge.testing import ScriptedLLM

REPLIES = {
    "Hello": "Well met, my Thane. The hall is warm and the mead is poured.",
    "court wizard": "Farengar keeps to his study, left of the throne. Knock twice, for he forgets the world.",
    "torch": "Take mine, the nights are dark here. I have another at my belt.",
    "coward": "I have bled for you, and this is my thanks? Mind your tongue.",
    "Well fought": "It was a good fight. He had a heavy arm and a slow eye.",
    "Whiterun": "Whiterun stands upon the plains, and the Jarl sees all of them from up here. "
    "Its people are traders and smiths. They argue loudly and forgive by supper.",
    "Farewell": "Safe travels, my Thane. I shall keep the fire alive until you return.",
}
"""By a piece of the player's line. No sentence stands in two of them."""


class Townsfolk(ScriptedLLM):
    """Answers each line of the player's with its own words, and hands over a torch when it is asked for one."""

    def __init__(self) -> None:
        super().__init__([""])

    async def stream(self, request: LLMRequest) -> AsyncIterator[TextDelta | Usage]:
        self.requests.append(request)
        text = _deed(request) if request.json_schema else _reply(request.messages[-1].content)
        pieces = re.findall(r"\S+\s*", text)
        for piece in pieces:
            yield TextDelta(piece)
            await asyncio.sleep(0)
        yield Usage(prompt_tokens=10, completion_tokens=len(pieces))


def _reply(message: str) -> str:
    """The answer to what the player said; the note in brackets behind it is the prompt's own."""
    lines = re.sub(r"\[[^\]]*\]", "", message).strip().splitlines()
    line = lines[-1] if lines else ""
    return next((reply for said, reply in REPLIES.items() if said in line), "I have nothing to say to that.")


def _deed(request: LLMRequest) -> str:
    asked = any("give me a torch?" in message.content for message in request.messages)
    if asked and "give_item" in json.dumps(request.json_schema):
        return json.dumps({"action": {"name": "give_item", "arguments": {"item": "Torch", "count": 1}}})
    return json.dumps({"action": {"name": "none"}})
