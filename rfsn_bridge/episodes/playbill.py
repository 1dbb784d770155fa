"""Who plays with whom: all episodes of one simulation, each fully told by the seed and the NPC's id."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from rfsn_bridge.domain import Npc
from rfsn_bridge.episodes import personas, starts
from rfsn_bridge.episodes.players import Player, RandomPlayer
from rfsn_bridge.episodes.simulate import Stage
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.mind.decide import Mind
from rfsn_bridge.mind.personality import guess

SCRIPTED, RANDOM, LLM = "scripted", "random", "llm"
KINDS = (SCRIPTED, RANDOM, LLM, *personas.NAMES)


@dataclass(frozen=True, slots=True)
class Playbill:
    """`players` is one of KINDS: with "scripted", each NPC meets another personality."""

    npcs: tuple[str, ...]
    """The named ones first; of those, the personality is guessed from `bio`."""
    named: int
    turns: int
    seed: int = 0
    players: str = SCRIPTED
    start: str = "stranger"
    bio: str | None = None

    def check(self) -> None:
        """Raises BridgeError for what there is not."""
        if self.players not in KINDS:
            raise BridgeError(f"there are no players {self.players!r}", f"choose from: {', '.join(KINDS)}")
        starts.start(self.start, Random(0))  # noqa: S311  # only to see whether it can be

    def stage(self, index: int, mind: Mind, llm_player: Callable[[str], Player] | None = None) -> Stage:
        """The episode of one NPC."""
        npc_id = self.npcs[index]
        seed = f"{self.seed}.{npc_id}"
        rng = Random(seed)  # noqa: S311  # a game
        traits = guess(self.bio) if index < self.named else starts.drawn_personality(rng)
        npc = Npc(npc_id, npc_id, bio=self.bio, personality=traits)
        if llm_player:
            player = llm_player(npc_id)
        elif self.players == RANDOM:
            player = RandomPlayer()
        else:
            names = personas.NAMES
            player = personas.persona(names[index % len(names)] if self.players == SCRIPTED else self.players, rng)
        return Stage(mind, npc, player, seed, starts.start(self.start, rng))
