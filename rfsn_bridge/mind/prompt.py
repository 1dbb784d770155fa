"""What the language model is told. The part that stays the same comes first, so that its cache keeps it warm."""

from collections.abc import Callable, Sequence

from rfsn_bridge.domain import Action, Decision, Exchange, Message, Mood, Npc, NpcState, Relationship, Situation

_RULES = (
    "Answer as {name}, in the first person, with one to three short sentences of plain spoken words. "
    "Say only what {name} says aloud: no narration, no notes, no lists. "
    "Never speak for the other person, never mention being a model or a game."
)
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
    Action.EXPLAIN: "explain what you know",
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
    last = f"{text}\n({task})" if by_player else f"({text.strip().rstrip('.')}. Speak up: {task})"
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
    return "\n".join(part for part in (who, (npc.bio or "").strip(), _RULES.format(name=npc.name)) if part)


def _task(decision: Decision, situation: Situation) -> str:
    """This turn's situation and what to do in it, in words."""
    parts = []
    if situation.location:
        parts.append(f"You are at {situation.location}.")
    if situation.time_of_day or situation.weather:
        parts.append(f"It is {', '.join(part for part in (situation.time_of_day, situation.weather) if part)}.")
    parts += [event.strip().rstrip(".") + "." for event in situation.events if event.strip()]
    parts.append(_state_in_words(decision.state))
    parts.append(f"Now {_INSTRUCTIONS[decision.action]}.")
    return " ".join(part for part in parts if part)


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


def _cost(count_tokens: Callable[[str], int]) -> Callable[[Exchange], int]:
    return lambda exchange: count_tokens(exchange.player_text) + count_tokens(exchange.npc_text)


def _alternating(exchanges: Sequence[Exchange], last: str) -> list[Message]:
    """User and assistant in turn, as chat templates demand: what was left unanswered joins the next line."""
    messages: list[Message] = []
    pending: list[str] = []
    for exchange in exchanges:
        pending.append(exchange.player_text)
        if exchange.npc_text:
            messages += [Message("user", "\n".join(pending)), Message("assistant", exchange.npc_text)]
            pending = []
    messages.append(Message("user", "\n".join([*pending, last])))
    return messages
