"""What the game does around a talk: fights, quests, help and gifts, what comes of deeds, time in between."""

from dataclasses import dataclass
from random import Random

from rfsn_bridge.domain import Action, Deed, Happening, NpcState, Signal
from rfsn_bridge.mind.events import Happened

_DEEDS: dict[Action, str] = {
    Action.ATTACK: "attack",
    Action.FLEE: "run_away",
    Action.HELP: "heal",
    Action.OFFER: "trade",
    Action.ACCEPT: "follow",
    Action.DEFEND: "draw_weapon",
}


@dataclass(slots=True)
class Surroundings:
    """`kindness` in [0, 1] is the player's: whether it helps and gives, or strikes."""

    rng: Random
    _fight: int = 0
    """How many turns the fight still lasts."""
    _quest: int = 0

    def pause_s(self) -> float:
        """How long, in seconds of play, until the player speaks again; now and then it comes back another day."""
        chance = self.rng.random()
        if chance < 0.06:
            return 600 + 12_000 * self.rng.random()
        return 4 + 40 * self.rng.random()

    def happens(self, state: NpcState, signal: Signal | None, kindness: float) -> list[Happened]:
        """What the game reports after a turn; `signal` was the player's line."""
        rng, found = self.rng, []
        if state.combat_active:
            self._fight = self._fight or rng.randint(2, 9)
            self._fight -= 1
            if not self._fight:
                found.append(Happened(Happening.COMBAT_ENDED, by_player=False))
            elif rng.random() < 0.4:
                found.append(Happened(Happening.HIT, by_player=rng.random() < 0.5 - kindness / 2))
        elif signal is Signal.ATTACK and rng.random() < 0.5:
            found.append(Happened(Happening.HIT, by_player=True))
        elif rng.random() < 0.03:
            found.append(Happened(Happening.COMBAT_STARTED, by_player=rng.random() > kindness))
        if state.quest_active:
            self._quest = self._quest or rng.randint(5, 40)
            self._quest -= 1
            if not self._quest:
                found.append(Happened(Happening.QUEST_ENDED))
            elif rng.random() < 0.1:
                found.append(Happened(Happening.QUEST_UPDATED))
        elif rng.random() < 0.03:
            found.append(Happened(Happening.QUEST_STARTED))
        if rng.random() < 0.06 * kindness:
            found.append(Happened(rng.choice((Happening.AIDED, Happening.ITEM_GIVEN))))
        return found

    def deeds(self, action: Action) -> tuple[Deed, ...]:
        """What the NPC did in the game with its answer, and whether the game let it."""
        name = _DEEDS.get(action)
        if name is None or self.rng.random() > 0.4:
            return ()
        chance = self.rng.random()
        if chance < 0.8:
            return (Deed(name, {}, "applied", "player"),)
        return (Deed(name, {}, "rejected" if chance < 0.95 else "failed", "player", "the way is blocked"),)
