"""Episodes for tests, small and made in a moment."""

from pathlib import Path

from fuzzing import default_mind

from rfsn_bridge.domain import Npc
from rfsn_bridge.episodes import episode_file, personas
from rfsn_bridge.episodes.simulate import Stage
from rfsn_bridge.mind.decide import Mind


def record(
    path: Path, turns: int = 60, players: tuple[str, ...] = ("friendly", "rude"), mind: Mind | None = None
) -> Path:
    """An episode file, one NPC for each player."""
    mind = mind or default_mind()
    with episode_file.written(path) as file:
        for name in players:
            for fields in Stage(mind, Npc(name, name), personas.PERSONAS[name], f"1.{name}").play(turns):
                file.write(episode_file.line_of(fields))
    return path
