"""A player whose lines a language model writes; the configured classifier hears them as it hears any player's."""

import asyncio
import re
from collections import deque
from random import Random

from rfsn_bridge.domain import LLMRequest, Message, TextDelta
from rfsn_bridge.episodes.players import Answer, Line, Listened
from rfsn_bridge.interfaces import LLMBackend
from rfsn_bridge.mind.rewards import Heard

_WHO = (
    "a friendly traveller who likes people",
    "a rude sellsword who wants everything at once",
    "a merchant who bargains over everything",
    "a timid farmhand who is easily frightened",
    "a scholar who wants to know how things came to be",
    "a bully who threatens people to get what he wants",
)
_MOODS = (
    "You are in a good mood.",
    "You are tired.",
    "You want something.",
    "You are annoyed.",
    "You are curious.",
)
_MAX_CHARACTERS = 300
_REMEMBERED = 8


class LLMPlayer:
    """Its model runs on `runner`, which is the caller's to close. Who it is, the first line's chance decides."""

    kindness = 0.5

    def __init__(self, llm: LLMBackend, runner: asyncio.Runner, npc_name: str) -> None:
        self._llm = llm
        self._runner = runner
        self._npc = npc_name
        self._who = ""
        self._said: deque[Message] = deque(maxlen=_REMEMBERED)

    def speak(self, answer: Answer, rng: Random) -> Line:
        """A line as the model wrote it, without signals; raises LLMError."""
        self._who = self._who or rng.choice(_WHO)
        heard = answer.text or f"({self._npc} looks at you.)"
        self._said.append(Message("user", f"{heard}\n({rng.choice(_MOODS)})"))
        system = (
            f"You are {self._who} in a fantasy world and talk with {self._npc}. "
            f"Answer with what you say next: one short sentence, no quotes, nothing else."
        )
        request = LLMRequest((Message("system", system), *self._said), 40, 0.9, ("\n",))
        text = _spoken(self._runner.run(self._written(request)))
        self._said.append(Message("assistant", text))
        return Line(text, {})

    def listen(self, answer: Answer, rng: Random) -> Listened:
        return Listened(Heard.CUT_OFF if rng.random() < 0.05 else Heard.ALL)

    async def _written(self, request: LLMRequest) -> str:
        text = ""
        async for part in self._llm.stream(request):
            if isinstance(part, TextDelta):
                text += part.text
        return text


def _spoken(text: str) -> str:
    """What of a model's answer is said: its first line to a sentence's end, without stage directions and names."""
    line = next((line for line in text.splitlines() if line.strip()), "").strip()
    before, colon, after = line.partition(":")
    if colon and before.istitle() and len(before) < 20:
        line = after
    line = re.sub(r"\([^)]*\)?|\*[^*]*\*?", "", line)
    if whole := re.match(r".*[.!?]", line):
        line = whole[0]
    return line.strip(" \"'").encode("utf-8", "replace").decode()[:_MAX_CHARACTERS] or "..."
