"""What simulated talk is made of: a few lines for each signal, action and remark."""

from collections.abc import Mapping
from random import Random

from rfsn_bridge.domain import Action, Signal

_SAID: Mapping[Signal, tuple[str, ...]] = {
    Signal.GREET: ("Hello there.", "Well met.", "Good morning to you."),
    Signal.FAREWELL: ("Farewell.", "I must go now.", "Until next time."),
    Signal.AGREE: ("Yes, indeed.", "I agree with you.", "Aye, so it is."),
    Signal.DISAGREE: ("I doubt it.", "You are wrong there.", "Nonsense."),
    Signal.APOLOGIZE: ("I am sorry.", "Forgive me.", "I apologize for it."),
    Signal.INSULT: ("You are a fool.", "What a pathetic wretch you are.", "Shut up, coward."),
    Signal.COMPLIMENT: ("You are very kind.", "I admire your skill.", "Well done."),
    Signal.THREATEN: ("Do it, or I will hurt you.", "You will regret it.", "One step more and you bleed."),
    Signal.REQUEST: ("Could you lend me your lantern?", "Give me some bread, please.", "May I have that map?"),
    Signal.OFFER: ("I can pay you ten gold.", "Take this, it is yours.", "I will give you my ring for it."),
    Signal.REFUSE: ("I refuse.", "No deal.", "I will not take it."),
    Signal.ACCEPT: ("I accept.", "It is a deal.", "I will do it."),
    Signal.ATTACK: ("Die!", "Have at you!", "Draw your blade!"),
    Signal.FLEE: ("I am getting away from here.", "Run!", "I must get out."),
    Signal.HELP: ("Help me, I am wounded.", "Save me!", "I need your aid."),
    Signal.BETRAY: ("I have sold you to the guards.", "I lied to you all along.", "I never was on your side."),
    Signal.IGNORE: ("Hm.", "Whatever.", "..."),
    Signal.QUESTION: ("Where is the inn?", "Who rules this land?", "How old is the tower?"),
    Signal.COMMAND: ("Follow me.", "Wait here.", "Open the gate."),
}
_DONE: Mapping[Action, str] = {
    Action.GREET: "Greetings.",
    Action.FAREWELL: "Go safely.",
    Action.AGREE: "So it is.",
    Action.DISAGREE: "I do not think so.",
    Action.APOLOGIZE: "I beg your pardon.",
    Action.INSULT: "What an oaf you are.",
    Action.COMPLIMENT: "You have a fine eye.",
    Action.THREATEN: "One more word and my axe answers.",
    Action.REQUEST: "I would ask a favour.",
    Action.OFFER: "I have wares, if you have coin.",
    Action.REFUSE: "I will not.",
    Action.ACCEPT: "Agreed.",
    Action.ATTACK: "Then steel it is!",
    Action.DEFEND: "I stand my ground.",
    Action.FLEE: "Away from here!",
    Action.HELP: "Let me bind the wound.",
    Action.BETRAY: "The guards pay better.",
    Action.IGNORE: "Hmph.",
    Action.INQUIRE: "What brings you here?",
    Action.EXPLAIN: "The old kings raised these walls.",
}
_REMARKS: Mapping[str, tuple[str, ...]] = {
    "follow_up": ("Tell me more.", "How so?", "Go on."),
    "correction": ("No, I meant the other one.", "That is not what I asked.", "You misunderstood."),
    "contradiction": ("But you said otherwise before.", "You contradict yourself.", "Your story keeps changing."),
}


def said(signal: Signal, rng: Random) -> str:
    """A player's line."""
    return rng.choice(_SAID[signal])


def done(action: Action) -> str:
    """An NPC's line."""
    return _DONE[action]


def remark(pleased: float, rng: Random) -> str:
    """What a player says of the answer before, if anything; `pleased` is about in [-1, 1]."""
    chance = rng.random()
    if pleased > 0.2 and chance < pleased:
        return rng.choice(_REMARKS["follow_up"])
    if pleased < -0.2 and chance < -pleased:
        return rng.choice(_REMARKS["correction" if chance > 0.15 else "contradiction"])
    return ""
