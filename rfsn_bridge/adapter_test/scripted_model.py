"""The language model of the adapter test: it says the same in every run, slowly enough to be interrupted."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from rfsn_bridge.domain import LLMRequest, TextDelta, Usage
from rfsn_bridge.testing import ScriptedLLM

_REPLY = "Answer {n} begins here. Answer {n} goes on. Now answer {n} ends."
"""No two answers share a sentence: what is shown twice can be told from what is said twice."""


class PacedModel(ScriptedLLM):
    """Speaks a word every `pace_s`. Asked for a game action, it picks one of which the player spoke.

    If `eager`, it picks some other where that is none: first those that were not picked before.
    """

    def __init__(self, pace_s: float, *, eager: bool = True) -> None:
        super().__init__()
        self._pace_s = pace_s
        self._eager = eager
        self._said = 0
        self._picked: set[str] = set()

    async def stream(self, request: LLMRequest) -> AsyncIterator[TextDelta | Usage]:
        self.requests.append(request)
        if request.json_schema:
            line = request.messages[-1].content.partition("\n")[0]  # the player's, before the reply
            yield TextDelta(json.dumps({"action": self._pick(request.json_schema, line.lower())}))
            return
        self._said += 1
        for word in _REPLY.format(n=self._said).split():
            yield TextDelta(f"{word} ")
            await asyncio.sleep(self._pace_s)

    def _pick(self, schema: Mapping[str, Any], line: str) -> Any:
        """An answer that fits: the last variant on offer is to do nothing."""
        *actions, nothing = schema["properties"]["action"]["anyOf"]
        offered = {variant["properties"]["name"]["enum"][0]: variant for variant in actions}
        fitting = [name for name, variant in offered.items() if _speaks_of(line, name, variant)]
        fresh = [name for name in offered if name not in self._picked] or list(offered)
        chosen = next(iter(fitting or (fresh if self._eager else [])), None)
        if chosen is None:
            return example(nothing, line)
        self._picked.add(chosen)
        return example(offered[chosen], line)


def _speaks_of(line: str, name: str, variant: Mapping[str, Any]) -> bool:
    if name.replace("_", " ").lower() in line:
        return True
    arguments = variant["properties"].get("arguments", {}).get("properties", {})
    return any(_spoken_of(part, line) is not None for part in arguments.values())


def _spoken_of(schema: Any, line: str) -> str | None:
    """The value among the possible ones that the line names."""
    values = schema.get("enum", []) if isinstance(schema, Mapping) else []
    return next((value for value in values if isinstance(value, str) and value.lower() in line), None)


def example(schema: Any, line: str = "") -> Any:
    """A small value that a JSON schema of a game allows; one that the line names, where there is a choice."""
    if not isinstance(schema, Mapping):
        return "x"
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return _spoken_of(schema, line) or schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return example(schema[key][0], line)
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "object":
            needed = schema.get("required", [])
            return {
                name: example(part, line) for name, part in schema.get("properties", {}).items() if name in needed
            }
        case "array":
            return [example(schema.get("items"), line)] * int(schema.get("minItems", 0))
        case "integer" | "number":
            return schema.get("minimum", schema.get("maximum", 1))
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return "x" * max(1, int(schema.get("minLength", 1)))
