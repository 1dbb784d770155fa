"""From what a model streams to what the NPC says: thoughts, template leftovers and a leading name are taken out.

Everything else is kept whole, "x < y", "<3" and "*nods*" included. The outcome does not depend on how the text was
cut into deltas, and text is held back only while it may still turn out to be one of the marks below.
"""

from __future__ import annotations

import re
from enum import Enum, auto


class _Mark(Enum):
    DROP = auto()
    """Nothing but itself goes."""
    END = auto()
    """The reply ends here."""
    TURN = auto()
    """A turn's header: dropped before the reply, the end of it after."""
    THINK = auto()
    """Dropped up to one of `_THOUGHT_ENDS`."""


_THOUGHT_ENDS = ("</think>", "</thinking>", "</thought>", "<|channel|>final<|message|>")
_MARKS: dict[str, _Mark] = {
    "<think>": _Mark.THINK,
    "<thinking>": _Mark.THINK,
    "<thought>": _Mark.THINK,
    "<|channel|>analysis": _Mark.THINK,
    **dict.fromkeys(_THOUGHT_ENDS, _Mark.DROP),
    **dict.fromkeys(("<s>", "<bos>", "<|assistant|>", "<|begin_of_text|>", "[/inst]", "<<sys>>"), _Mark.DROP),
    **dict.fromkeys(("</s>", "<eos>", "<end_of_turn>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>"), _Mark.END),
    **dict.fromkeys(("<|end|>", "<|endoftext|>", "<|end_of_text|>", "<|user|>", "<|system|>"), _Mark.END),
    **dict.fromkeys(("<|return|>", "<|end_of_turn|>", "<｜end▁of▁sentence｜>"), _Mark.END),
    **dict.fromkeys(("<|im_start|>", "<start_of_turn>", "<|start_header_id|>", "<|start|>", "[inst]"), _Mark.TURN),
}
_LINE_MARKS: dict[str, _Mark] = {
    **dict.fromkeys(("### response:", "### assistant:", "### answer:"), _Mark.DROP),
    **dict.fromkeys(("### instruction:", "### human:", "### user:", "### input:", "### system:"), _Mark.END),
}
_OTHER_TOKEN = re.compile(r"<\|[A-Za-z0-9_]{1,40}\|>")
_OTHER_TOKEN_BEGUN = re.compile(r"<(\|([A-Za-z0-9_]{1,40}\|?)?)?")
_MAY_BEGIN = re.compile(r"[<\[#]")
_THOUGHT_END = re.compile("|".join(map(re.escape, _THOUGHT_ENDS)), re.IGNORECASE | re.ASCII)
_BLANK = re.compile(r"\s+")
_LONGEST_THOUGHT_END = max(map(len, _THOUGHT_ENDS))
_HEADER_ROLES = ("assistant", "model", "user", "system", "human")

_MORE = -1
"""It may still become a mark: wait for more text."""


class ReplyFilter:
    """Feed it the deltas of one reply; what it returns is to be shown. `flush` once at the end."""

    def __init__(self, npc_name: str) -> None:
        self.ended = False
        """The model began something that is not this reply: stop the stream, nothing more will come."""
        self._prefix = RolePrefix(npc_name)
        self._held = ""
        self._begun = False
        self._line_start = True
        self._thinking = False
        self._header = False

    def feed(self, delta: str) -> str:
        return self._run(delta, final=False)

    def flush(self) -> str:
        """What was held back and turned out to be ordinary text."""
        text = self._run("", final=True)
        self.ended = True
        return text

    def _run(self, delta: str, *, final: bool) -> str:
        if self.ended:
            return ""
        text = self._held + delta
        self._held = ""
        out: list[str] = []
        at = 0
        while at < len(text) and not self.ended:
            if self._thinking:
                step = self._think(text, at, final)
            elif not self._begun:
                step = self._begin(text, at, final)
            else:
                step = 0
            if step == 0:
                step = self._body(text, at, final, out)
            if step == _MORE:
                self._held = text[at:]
                break
            at += step
        return "".join(out)

    def _think(self, text: str, at: int, final: bool) -> int:
        """Drop thoughts; keep no more of them than the beginning of a possible end."""
        if found := _THOUGHT_END.search(text, at):
            self._thinking = False
            return found.end() - at
        if final:
            return len(text) - at
        return max(0, len(text) - at - _LONGEST_THOUGHT_END + 1) or _MORE

    def _begin(self, text: str, at: int, final: bool) -> int:
        """Before the first word: skip white space and names; 0 when neither is there."""
        if blank := _BLANK.match(text, at):
            return len(blank.group())
        if self._header and (step := self._header_role(text, at, final)):
            return step
        return self._prefix.match(text, at, final=final)

    def _header_role(self, text: str, at: int, final: bool) -> int:
        """The role after a turn's header, as in `<|im_start|>assistant`."""
        rest = text[at : at + 16].lower()
        for role in _HEADER_ROLES:
            if rest.startswith(role):
                after = rest[len(role) : len(role) + 1]
                if not after and not final:
                    return _MORE
                if after in ("", "\n", "\r", "<"):
                    self._header = False
                    self.ended = role in ("user", "system", "human")
                    return len(role)
            elif role.startswith(rest) and not final:
                return _MORE
        self._header = False
        return 0

    def _body(self, text: str, at: int, final: bool, out: list[str]) -> int:
        """Pass on what lies before the next possible mark, or deal with the mark that is here."""
        here = _MAY_BEGIN.match(text, at)
        if here:
            length, mark = self._mark(text, at, final)
            if length == _MORE:
                return _MORE
            if length:
                self._apply(mark)
                return length
        found = _MAY_BEGIN.search(text, at + 1 if here else at)
        end = found.start() if found else len(text)
        piece = text[at:end]
        out.append(piece)
        self._begun = True
        self._line_start = piece.endswith("\n")
        return len(piece)

    def _mark(self, text: str, at: int, final: bool) -> tuple[int, _Mark]:
        marks = _MARKS
        if text[at] == "#":
            if not self._line_start:
                return 0, _Mark.DROP
            marks = _LINE_MARKS
        rest = text[at : at + 48].lower()
        begun = False
        longest, kind = 0, _Mark.DROP
        for mark, effect in marks.items():
            if rest.startswith(mark):
                if len(mark) > longest:
                    longest, kind = len(mark), effect
            elif len(rest) < len(mark) and mark.startswith(rest):
                begun = True
        if begun and not final:
            return _MORE, kind
        if not longest and text[at] == "<":
            if token := _OTHER_TOKEN.match(text, at):
                return len(token.group()), _Mark.DROP
            if not final and _OTHER_TOKEN_BEGUN.fullmatch(text, at):
                return _MORE, kind
        return longest, kind

    def _apply(self, mark: _Mark) -> None:
        self._thinking = mark is _Mark.THINK
        if mark is _Mark.END or (mark is _Mark.TURN and self._begun):
            self.ended = True
        elif mark is _Mark.TURN:
            self._header = True


_ROLES = ("assistant", "npc", "ai", "bot", "character", "model", "reply", "response")
_PARTICLES = frozenset(("the", "of", "and", "a", "an", "de", "von", "van", "la", "le", "al", "el"))
_WRAPPERS = ("***", "**", "*", "__", "_", "[", "")
_LONGEST_PREFIX = 160
_WORD = re.compile(r"[^\s:：*_\[\]()<>,.!?;\"]+")


class RolePrefix:
    """Knows the ways a model writes the speaker before the speech: "Jarl Balgruuf:", "**Balgruuf**:", "NPC:"."""

    def __init__(self, npc_name: str) -> None:
        words = [_plain(word) for word in _WORD.findall(npc_name[:_LONGEST_PREFIX])]
        self._name_words = frozenset(words)
        self._telling = self._name_words - _PARTICLES
        self._roles = frozenset(_ROLES)

    def match(self, text: str, at: int = 0, *, final: bool = True) -> int:
        """How long the prefix at `at` is: 0 if there is none, -1 if that cannot be known yet (never if final)."""
        rest = text[at : at + _LONGEST_PREFIX]
        more = 0 if final or len(rest) == _LONGEST_PREFIX else _MORE
        opened = next(w for w in _WRAPPERS if rest.startswith(w))
        if opened in ("*", "**", "_") and len(rest) == len(opened):
            return more
        i = len(opened)
        words: list[str] = []
        while True:
            if i == len(rest):
                return more if self._could_be(words) else 0
            word = _WORD.match(rest, i)
            if word is None:
                break
            words.append(_plain(word.group()))
            i = word.end()
            if i == len(rest):
                return more if self._could_be(words, unfinished=True) else 0
            if not self._could_be(words):
                return 0
            while i < len(rest) and rest[i] == " ":
                i += 1
        if not self._is_speaker(words):
            return 0
        return self._after(rest, i, opened, more)

    def _after(self, rest: str, i: int, opened: str, more: int) -> int:
        """The colon, and the closing wrapper on either side of it."""
        closing = "]" if opened == "[" else opened
        closed = not closing
        for _ in range(2):
            if not closed:
                if closing.startswith(rest[i : i + len(closing)]) and len(rest) - i < len(closing):
                    return more
                if rest.startswith(closing, i):
                    closed = True
                    i += len(closing)
            while i < len(rest) and rest[i] == " ":
                i += 1
            if i == len(rest):
                return more
            if rest[i] not in ":：":
                return 0
            i += 1
            if closed:
                return i
            if closing.startswith(rest[i : i + len(closing)]) and len(rest) - i < len(closing):
                return more
            return i + len(closing) if rest.startswith(closing, i) else 0
        return 0

    def _could_be(self, words: list[str], *, unfinished: bool = False) -> bool:
        if not words:
            return True
        known = words[:-1] if unfinished else words
        if not all(word in self._name_words or (word in self._roles and len(words) == 1) for word in known):
            return False
        if not unfinished:
            return True
        choices = self._name_words | self._roles if len(words) == 1 else self._name_words
        return any(choice.startswith(words[-1]) for choice in choices)

    def _is_speaker(self, words: list[str]) -> bool:
        if len(words) == 1 and words[0] in self._roles:
            return True
        return bool(words) and all(w in self._name_words for w in words) and any(w in self._telling for w in words)


def _plain(word: str) -> str:
    return word.casefold().replace("’", "'")
