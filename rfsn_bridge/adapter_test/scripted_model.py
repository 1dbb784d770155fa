"""The language model of the adapter test: it says the same in every run, slowly enough to be interrupted."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from rfsn_bridge.domain import LLMRequest, TextDelta, Usage
from rfsn_bridge.testing import ScriptedLLM

_REPLIES = (
    "Well met, traveller. The road from the mountains is long. Sit down and rest.",
    "Wolves came down to the farms last night. Nobody was hurt. We were lucky, this time.",
    "Ask at the market. The smith knows more than I do. Give her my name.",
)


class PacedModel(ScriptedLLM):
    """Speaks a word every `pace_s`. Asked for a game action, it picks one that was not picked before."""

    def __init__(self, pace_s: float) -> None:
        super().__init__(*([word] for word in _REPLIES))
        self._pace_s = pace_s
        self._said = 0
        self._picked: set[str] = set()

    async def stream(self, request: LLMRequest) -> AsyncIterator[TextDelta | Usage]:
        self.requests.append(request)
        if request.json_schema:
            yield TextDelta(json.dumps(self._pick(request.json_schema)))
            return
        reply = _REPLIES[self._said % len(_REPLIES)]
        self._said += 1
        for word in reply.split():
            yield TextDelta(f"{word} ")
            await asyncio.sleep(self._pace_s)

    def _pick(self, schema: Mapping[str, Any]) -> Any:
        """An answer that fits: the first action on offer that is new, else the first."""
        offered = schema["properties"]["action"]["anyOf"]
        names = [variant["properties"]["name"]["enum"][0] for variant in offered]
        fresh = next((index for index, name in enumerate(names) if name not in self._picked), 0)
        self._picked.add(names[fresh])
        return {"action": example(offered[fresh])}


def example(schema: Any) -> Any:
    """A small value that a JSON schema allows, for the schemas that games register."""
    if not isinstance(schema, Mapping):
        return "x"
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return example(schema[key][0])
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "object":
            needed = schema.get("required", [])
            return {name: example(part) for name, part in schema.get("properties", {}).items() if name in needed}
        case "array":
            return [example(schema.get("items"))] * int(schema.get("minItems", 0))
        case "integer" | "number":
            return schema.get("minimum", schema.get("maximum", 1))
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return "x" * max(1, int(schema.get("minLength", 1)))
