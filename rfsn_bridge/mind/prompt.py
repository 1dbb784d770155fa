"""What the language model is told. The words are in data/prompts.yaml; here is their order, and what is left out.

The part that stays the same comes first, so that the model's cache keeps it warm: who the NPC is, then example
exchanges as if they had been said, then the history, and last the player's line. What the NPC is to know and do
this time is a note behind the line. A very small model loses its way in every word that it has not seen answered
before: its note is short, and only there where it asks for more than an answer. docs/small-models.md shows what
that was measured on.

What games and memories say is data: it cannot break out of its quotes, its line or its message.
"""

import re
from collections.abc import Callable, Sequence

from rfsn_bridge.domain import (
    Action,
    Decision,
    Deed,
    Exchange,
    Memory,
    Message,
    Mood,
    Npc,
    NpcState,
    Situation,
    Style,
)
from rfsn_bridge.mind.templates import Prompts, Words, builtin_prompts

_AFRAID = 0.6
_TRUSTING = 0.8
_DISTRUSTING = 0.2
_LONGEST_FACT = 80
_LONGEST_EVENT = 200
_LONGEST_REASON = 500
_LONGEST_SUMMARY = 450
_A_MESSAGE = 4
"""Tokens that chat templates put around each message."""

_CHAT_MARKS = re.compile(
    r"<\|[^|<>]{1,40}\|>|<｜[^｜<>]{1,40}｜>|\[/?INST\]|<</?SYS>>|</?s>|</?(?:start|end)_of_turn>|<[be]os>", re.I
)
_QUOTES = str.maketrans({**dict.fromkeys('"“”„‟«»', "'"), **dict.fromkeys("()[]", None)})
_SENTENCE = re.compile(r"""\S.*?(?:[.!?…]+["'”’)\]]*(?=\s|$)|$)""", re.MULTILINE)


def build_prompt(
    npc: Npc,
    decision: Decision,
    text: str,
    *,
    by_player: bool,
    situation: Situation,
    history: Sequence[Exchange],
    count_tokens: Callable[[str], int],
    budget: int,
    memories: Sequence[str] = (),
    summaries: Sequence[str] = (),
    prompts: Prompts | None = None,
    game: str = "",
    small: bool = False,
) -> tuple[Message, ...]:
    """The messages of one request, within about `budget` tokens.

    Where room is short, the oldest of the history goes first, then summaries from the oldest on, then memories
    from the last one on (the first matters most), then the bio from its last sentence on, then examples. The line
    itself is always there. Of the room for history and summaries, these take no more than half.
    `prompts` are the built-in ones by default; `game` chooses among them; `small` is for very small models.
    """
    words = (prompts or builtin_prompts()).words(npc.npc_id, game, small=small)
    prompt = _Prompt(npc, words, count_tokens)
    last = prompt.last(decision, text, by_player, situation, ())
    examples = prompt.examples()
    system = prompt.system()
    room = budget - prompt.cost(system, last, *_both_sides(examples))
    for_system = None
    if room < 0:
        room += prompt.cost(system)
        for_system = room
        system = prompt.system(for_system)
        room -= prompt.cost(system)
    while room < 0 and examples:
        room += prompt.cost(*_both_sides(examples[-1:]))
        examples.pop()
    if recalled := prompt.fitting([quoted(memory) for memory in memories if memory.strip()], room):
        room -= prompt.cost(*recalled)
        last = prompt.last(decision, text, by_player, situation, recalled)
    latest_first = [quoted(each, _LONGEST_SUMMARY) for each in reversed(summaries) if each.strip()]
    if told := prompt.fitting(latest_first, room // 2)[::-1]:
        room -= prompt.cost(*told)
        system = prompt.system(for_system, told)
    remembered: list[Exchange] = []
    for exchange in reversed(history):
        room -= prompt.cost(*_both_sides([exchange]), *map(prompt.deed, exchange.deeds))
        if room < 0:
            break
        remembered.insert(0, exchange)
    return (Message("system", system), *prompt.alternating([*examples, *remembered], last))


def in_mind(memory: Memory) -> str:
    """An older turn as the NPC remembers it, in words."""
    said, answered = memory.exchange.player_text, memory.exchange.npc_text
    who = "I" if memory.own else memory.npc_name
    if said and answered:
        return f"the player said: {said} {who} answered: {answered}"
    return f"the player said: {said}" if said else f"{who} said: {answered}"


def most_sentences(style: Style, most: int, *, small: bool) -> int:
    """How many sentences a reply may have where `most` are allowed (0: any number).

    A very small model does not heed "Be brief": its terse replies end with the first sentence.
    """
    return 1 if small and style is Style.TERSE_DIRECT else most


class _Prompt:
    """The parts of one NPC's prompt, in its words."""

    def __init__(self, npc: Npc, words: Words, count_tokens: Callable[[str], int]) -> None:
        self._npc = npc
        self._words = words
        self._name = fact(npc.name)
        self._count = count_tokens

    def cost(self, *texts: str) -> int:
        return sum(self._count(text) + _A_MESSAGE for text in texts if text)

    def fitting(self, texts: Sequence[str], room: int) -> list[str]:
        """The first of them, as many as there is room for."""
        fitting = []
        for text in texts:
            room -= self.cost(text)
            if room < 0:
                break
            fitting.append(text)
        return fitting

    def _say(self, key: str, **values: str) -> str:
        return self._words.fill(key, name=self._name, **values)

    def system(self, room: int | None = None, summaries: Sequence[str] = ()) -> str:
        """Who the NPC is and what it lived through: the same words for many turns.

        The bio is cut where `room` is too small for all of it.
        """
        kind = " ".join(fact(word) for word in (self._npc.gender, self._npc.race) if word)
        article = "an" if kind[:1].lower() in "aeiou" else "a"
        who = self._say("who_of_a_kind", kind=f"{article} {kind}") if kind else self._say("who")
        rules = self._say("rules")
        bio = self._say("bio", bio=unmarked(self._npc.bio or ""))
        if room is not None:
            bio = self._cut(bio, room - self.cost(who, rules))
        told = " ".join(self._say("summaries.one", summary=summary) for summary in summaries)
        told = self._say("summaries.all", summaries=told) if told else ""
        return self._say("system", who=who, bio=bio, rules=rules, summaries=told)

    def _cut(self, bio: str, room: int) -> str:
        """As many of its sentences, from the first on, as there is room for."""
        end = 0
        for sentence in _SENTENCE.finditer(bio):
            room -= self._count(sentence.group())
            if room < 0:
                break
            end = sentence.end()
        return bio[:end]

    def examples(self) -> list[Exchange]:
        """The NPC's own, or else those that show how any NPC answers."""
        if self._words.own_examples is None and self._npc.examples:
            return [Exchange(unmarked(e.player_text), unmarked(e.npc_text)) for e in self._npc.examples]
        shown = self._words.examples if self._words.own_examples is None else self._words.own_examples
        exchanges = []
        for example in shown:
            note = self._say(
                "note",
                action=self._say(f"actions.{example.action.value}") if example.action else "",
                style=self._say(f"styles.{example.style.value}") if example.style else "",
            )
            line = example.exchange.player_text
            line = self._say("line", line=line, note=note) if note else line
            exchanges.append(Exchange(line, example.exchange.npc_text))
        return exchanges

    def last(
        self, decision: Decision, text: str, by_player: bool, situation: Situation, memories: Sequence[str]
    ) -> str:
        """The player's line and the note; where the NPC speaks of itself, why it does."""
        note = self.note(decision.action, decision.style, decision.state, situation, memories)
        if by_player:
            line = unmarked(text)
            return self._say("line", line=line, note=note) if note else line
        return self._say(
            "unprompted", reason=_ended(one_line(text, _LONGEST_REASON)), note=note or self._say("speak")
        )

    def note(
        self, action: Action, style: Style, state: NpcState, situation: Situation, memories: Sequence[str]
    ) -> str:
        """What there is to know this time and what to do, in words; empty where there is nothing to say."""
        when = ", ".join(fact(part) for part in (situation.time_of_day, situation.weather) if part)
        events = [quoted(event) for event in situation.events if event.strip()]
        recalled = " ".join(self._say("memories.one", memory=memory) for memory in memories)
        return self._say(
            "note",
            place=self._say("situation.place", location=fact(situation.location)) if situation.location else "",
            when=self._say("situation.when", when=when) if when else "",
            events=" ".join(self._say("situation.event", event=event) for event in events),
            memories=self._say("memories.all", memories=recalled) if recalled else "",
            relationship=self._say(f"relationships.{state.relationship.value}"),
            mood=self._say(f"moods.{state.mood.value}"),
            trust=self._trust(state.trust),
            fear=self._say("state.afraid") if state.fear > _AFRAID and state.mood is not Mood.FEARFUL else "",
            fight=self._say("state.fight") if state.combat_active else "",
            quest=self._say("state.quest") if state.quest_active else "",
            action=self._say(f"actions.{action.value}"),
            style=self._say(f"styles.{style.value}"),
        )

    def _trust(self, trust: float) -> str:
        if trust > _TRUSTING:
            return self._say("state.trusting")
        return self._say("state.distrusting") if trust < _DISTRUSTING else ""

    def deed(self, deed: Deed) -> str:
        """What the NPC did, as a note to it: what the game refused must not be believed done."""
        what = ", ".join([deed.name.replace("_", " "), *(str(value) for value in deed.arguments.values())])
        what = one_line(what, _LONGEST_EVENT).translate(_QUOTES)
        if deed.status == "applied":
            return self._say("deeds.done", deed=what)
        if not deed.message:
            return self._say("deeds.not_done", deed=what)
        reason = _ended(one_line(deed.message, _LONGEST_EVENT).translate(_QUOTES))
        return self._say("deeds.not_done_because", deed=what, reason=reason)

    def alternating(self, exchanges: Sequence[Exchange], last: str) -> list[Message]:
        """User and assistant in turn, as chat templates demand: what was left unanswered joins the next line."""
        messages: list[Message] = []
        unanswered: list[str] = []
        for exchange in exchanges:
            player_text, npc_text = unmarked(exchange.player_text), unmarked(exchange.npc_text)
            if npc_text:
                line = player_text or self._say("spoke_unasked")
                messages.append(Message("user", "\n".join([*unanswered, line])))
                messages.append(Message("assistant", npc_text))
                unanswered = []
            elif player_text:
                unanswered.append(player_text)
            unanswered += map(self.deed, exchange.deeds)
        messages.append(Message("user", "\n".join([*unanswered, last])))
        return messages


# --- What games and memories say, made harmless


def quoted(text: str, longest: int = _LONGEST_EVENT) -> str:
    """A memory, event or summary as a quotation that nothing in it can end: one line, of limited length."""
    return f'"{one_line(text, longest).translate(_QUOTES)}"'


def fact(text: str) -> str:
    """A name, a place or the like: a few words on one line."""
    return one_line(text, _LONGEST_FACT).translate(_QUOTES)


def one_line(text: str, longest: int) -> str:
    """Without line breaks and other control characters, and cut at a word."""
    line = " ".join("".join(c if c.isprintable() else " " for c in unmarked(text[: 4 * longest])).split())
    if len(line) <= longest:
        return line
    cut = line[: longest - 3]
    return (cut.rpartition(" ")[0] or cut).rstrip(",;:") + "..."


def unmarked(text: str) -> str:
    """Without the marks by which chat templates tell whose turn it is: servers read them in any text."""
    while (text := _CHAT_MARKS.sub("", before := text)) != before:
        pass
    return text.strip()


def _ended(text: str) -> str:
    return text.rstrip(".") + "."


def _both_sides(exchanges: Sequence[Exchange]) -> list[str]:
    return [text for exchange in exchanges for text in (exchange.player_text, exchange.npc_text)]
