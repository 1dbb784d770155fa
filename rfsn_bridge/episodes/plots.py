"""An analysis as a picture. Needs matplotlib, which is an extra."""

from pathlib import Path
from typing import Any

from rfsn_bridge.episodes.analyze import Analysis, ranked
from rfsn_bridge.episodes.episode_file import written
from rfsn_bridge.errors import BridgeError

_MISSING = BridgeError("a picture needs matplotlib", "run: pip install 'rfsn-bridge[plots]'")


def draw(found: Analysis, title: str, path: Path) -> None:
    """Write a PNG: rewards, affinity, trust and fear over turns, actions, styles, and the learning curve."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise _MISSING from None
    figure = Figure(figsize=(13, 8), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    (rewards, feelings, learning), (affinity, actions, styles) = figure.subplots(2, 3)
    _curve(rewards, "Reward by turn", {"reward": found.curves.series("reward")})
    _curve(
        feelings, "Trust and fear", {name: found.curves.series(name) for name in ("trust", "fear")}, limits=(0, 1)
    )
    _curve(learning, "Learning curve: mean reward so far", {"reward": found.curves.learning()})
    _curve(affinity, "Affinity", {"affinity": found.curves.series("affinity")}, limits=(-1, 1))
    _bars(actions, "Actions", [(name, kind.turns) for name, kind in ranked(found.actions)])
    _bars(styles, "Styles", [(name.lower().replace("_", " "), kind.turns) for name, kind in ranked(found.styles)])
    with written(path) as file:
        figure.savefig(file, format="png", dpi=100)


def _curve(
    axes: Any, title: str, series: dict[str, list[tuple[int, float]]], limits: tuple[float, float] | None = None
) -> None:
    axes.set_title(title)
    axes.set_xlabel("turn")
    axes.axhline(0, linewidth=0.5, color="grey")
    for name, points in series.items():
        axes.plot([turn for turn, _ in points], [value for _, value in points], label=name, linewidth=1)
    if len(series) > 1:
        axes.legend()
    if limits:
        axes.set_ylim(*limits)


def _bars(axes: Any, title: str, counts: list[tuple[str, int]]) -> None:
    axes.set_title(title)
    axes.set_xlabel("turns")
    axes.barh([name for name, _ in counts], [count for _, count in counts])
    axes.invert_yaxis()
