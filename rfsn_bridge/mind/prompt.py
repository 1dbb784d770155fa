"""What the language model is told.

The part that stays the same comes first, so that the model's cache keeps it warm: who the NPC is, then its example
exchanges as if they had been said, then the history, and last the player's line. What the NPC is to do with its
answer stands in brackets behind the line, and only where that is more than to answer: a very small model loses its
way in every word that it has not seen answered before. docs/small-models.md shows what that was measured on.
"""

from collections.abc import Callable, Sequence

from rfsn_bridge.domain import (
    Action,
    Decision,
    Deed,
    Exchange,
    Message,
    Mood,
    Npc,
    NpcState,
    Relationship,
    Situation,
)

_RULES = "You answer in one or two short sentences. What stands in (brackets) is what you do; never say it."
_INSTRUCTIONS = {
    Action.GREET: "greet them",
    Action.FAREWELL: "bid them farewell",
    Action.AGREE: "agree",
    Action.DISAGREE: "disagree",
    Action.APOLOGIZE: "apologize",
    Action.INSULT: "answer with an insult",
    Action.COMPLIMENT: "answer with praise",
    Action.THREATEN: "threaten them",
    Action.REQUEST: "ask something of them",
    Action.OFFER: "make them an offer",
    Action.REFUSE: "refuse",
    Action.ACCEPT: "accept",
    Action.ATTACK: "announce that you will fight",
    Action.DEFEND: "stand your ground",
    Action.FLEE: "say that you must get away",
    Action.HELP: "offer to help",
    Action.BETRAY: "turn against them",
    Action.IGNORE: "brush them off",
    Action.INQUIRE: "ask what they mean or want",
    Action.EXPLAIN: "",  # what anybody does with a question
}
_BEARING = {
    Relationship.ENEMY: "your enemy",
    Relationship.RIVAL: "someone you dislike",
    Relationship.FRIEND: "a friend",
    Relationship.ALLY: "a trusted ally",
}


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
) -> tuple[Message, ...]:
    """The messages of one request, within about `budget` tokens: the oldest of the history goes first."""
    system = Message("system", persona(npc))
    task = _task(decision, situation)
    note = task if by_player else f"{_ended(text)} {task or 'Speak.'}"
    last = " ".join(part for part in (text if by_player else "", note and f"({note})") if part)
    fixed = count_tokens(system.content) + count_tokens(last) + sum(map(_cost(count_tokens), npc.examples))
    remembered: list[Exchange] = []
    for exchange in reversed(history):
        fixed += _cost(count_tokens)(exchange)
        if fixed > budget:
            break
        remembered.insert(0, exchange)
    return (system, *_alternating([*npc.examples, *remembered], last))


def persona(npc: Npc) -> str:
    """Who the NPC is: the same words in every turn."""
    kind = " ".join(word for word in (npc.gender, npc.race) if word)
    who = f"You are {npc.name}, a {kind}." if kind else f"You are {npc.name}."
    return " ".join(part for part in (who, (npc.bio or "").strip(), _RULES) if part)


def _task(decision: Decision, situation: Situation) -> str:
    """This turn's situation and what to do in it, in words; empty where there is nothing to say."""
    when = ", ".join(part for part in (situation.time_of_day, situation.weather) if part)
    parts = [
        f"You are at {situation.location}." if situation.location else "",
        f"It is {when}." if when else "",
        *(_ended(event) for event in situation.events if event.strip()),
        _state_in_words(decision.state),
    ]
    instruction = _INSTRUCTIONS[decision.action].capitalize()
    return " ".join(part for part in (*parts, instruction and f"{instruction}.") if part)


def _ended(text: str) -> str:
    return text.strip().rstrip(".") + "."


def _state_in_words(state: NpcState) -> str:
    bearing = _BEARING.get(state.relationship)
    parts = [f"You are talking to {bearing}." if bearing else ""]
    if state.mood is not Mood.NEUTRAL:
        parts.append(f"You feel {state.mood.value}.")
    if state.fear > 0.6:
        parts.append("You are afraid.")
    if state.combat_active:
        parts.append("You are in a fight.")
    return " ".join(part for part in parts if part)


def _in_words(deed: Deed) -> str:
    """What the NPC did, as a note to it: what the game refused must not be believed done."""
    what = ", ".join([deed.name.replace("_", " "), *(str(value) for value in deed.arguments.values())])
    if deed.status == "applied":
        return f"(You did: {what}.)"
    return f"(You could not: {what}{f'; {_ended(deed.message)}' if deed.message else '.'})"


def _cost(count_tokens: Callable[[str], int]) -> Callable[[Exchange], int]:
    return lambda exchange: count_tokens(exchange.player_text) + count_tokens(exchange.npc_text)


def _alternating(exchanges: Sequence[Exchange], last: str) -> list[Message]:
    """User and assistant in turn, as chat templates demand: what was left unanswered joins the next line."""
    messages: list[Message] = []
    unanswered: list[str] = []
    for exchange in exchanges:
        if exchange.npc_text:
            line = exchange.player_text or "(Speak.)"  # it had spoken of itself
            messages.append(Message("user", "\n".join([*unanswered, line])))
            messages.append(Message("assistant", exchange.npc_text))
            unanswered = []
        elif exchange.player_text:
            unanswered.append(exchange.player_text)
        unanswered += map(_in_words, exchange.deeds)
    messages.append(Message("user", "\n".join([*unanswered, last])))
    return messages
