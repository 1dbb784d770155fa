"""What a benchmark found: rows with their targets, shown as a table or printed as JSON.

A missed target is reported and nothing more: benchmarks end with 0 unless they could not run.
"""

from __future__ import annotations

import argparse
import json
import operator
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import psutil
from rich.console import Console
from rich.table import Table

_WIDTH = 120
"""Of the table, where the output is no terminal."""


Target = tuple[Literal["<", "<=", ">="], float]
_HOLDS: dict[str, Callable[[float, float], bool]] = {"<": operator.lt, "<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `low` and `high` are the spread of the `samples`; without a target it is only told."""

    what: str
    unit: str
    value: float
    low: float
    high: float
    samples: int
    target: Target | None = None
    note: str = ""

    @property
    def verdict(self) -> Literal["meets", "misses", ""]:
        if self.target is None:
            return ""
        sign, limit = self.target
        return "meets" if _HOLDS[sign](self.value, limit) else "misses"

    @property
    def wanted(self) -> str:
        return f"{self.target[0]} {self.target[1]:g} {self.unit}".rstrip() if self.target else ""

    @property
    def measured(self) -> str:
        spread = f" ({_short(self.low)} to {_short(self.high)})" if self.high > self.low else ""
        return f"{_short(self.value)} {self.unit}".rstrip() + spread


@dataclass(frozen=True, slots=True)
class Skipped:
    """What could not be measured here, and what to do about it."""

    what: str
    reason: str


Found = Row | Skipped


@dataclass(frozen=True, slots=True)
class Size:
    """How much a benchmark does: by itself, and in the quick set."""

    full: float
    quick: float
    help: str


def median(what: str, unit: str, values: Sequence[float], target: Target | None = None, note: str = "") -> Row:
    """The median, and where the middle eight tenths lie."""
    low, high = percentile(values, 10), percentile(values, 90)
    return Row(what, unit, statistics.median(values), low, high, len(values), target, note)


def rank(what: str, unit: str, values: Sequence[float], p: float, target: Target | None = None) -> Row:
    """The p-th percentile."""
    return single(what, unit, percentile(values, p), target, samples=len(values))


def single(
    what: str, unit: str, value: float, target: Target | None = None, note: str = "", samples: int = 1
) -> Row:
    """A figure without a spread."""
    return Row(what, unit, value, value, value, samples, target, note)


def percentile(values: Sequence[float], p: float) -> float:
    """The smallest value that at least p per cent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -int(-p * len(ordered) // 100) - 1))]


def main(doc: str, measure: Callable[..., Iterable[Found]], **sizes: Size) -> int:
    """Run one benchmark as a command: `sizes` are its options, passed to `measure` by name."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, size in sizes.items():
        text = f"{size.help} (default: {size.full:g}, with --quick {size.quick:g})"
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="N", type=float, help=text)
    parser.add_argument("--quick", action="store_true", help="measure less")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    chosen = {}
    for name, size in sizes.items():
        told: float | None = getattr(args, name)
        chosen[name] = told if told is not None else size.quick if args.quick else size.full
    machine = this_machine()
    found = list(measure(**chosen))
    if args.json:
        json.dump(as_json(found) | {"machine": machine}, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        show(doc.splitlines()[0].rstrip(".:"), found, machine)
    return 0


def this_machine() -> dict[str, Any]:
    """What the figures depend on; called before anything is measured."""
    return {
        "load_before": round(psutil.getloadavg()[0], 2),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def as_json(found: Iterable[Found]) -> dict[str, Any]:
    results = list(found)
    rows = [asdict(row) | {"verdict": row.verdict} for row in results if isinstance(row, Row)]
    return {"rows": rows, "skipped": [asdict(skipped) for skipped in results if isinstance(skipped, Skipped)]}


def show(title: str, found: Iterable[Found], machine: dict[str, Any]) -> None:
    """One table; what was skipped and the notes stand below it."""
    caption = f"{machine['cores']} cores, load {machine['load_before']:g} before, Python {machine['python']}"
    table = Table("what", "target", "measured", "verdict", title=title, title_justify="left", caption=caption)
    below: list[str] = []
    for each in found:
        if isinstance(each, Skipped):
            table.add_row(each.what, "", "not measured", "")
            below.append(f"{each.what}: {each.reason}")
            continue
        style = {"meets": "green", "misses": "bold red"}.get(each.verdict, "")
        table.add_row(each.what, each.wanted, each.measured, f"[{style}]{each.verdict}[/]" if style else "")
        if each.note:
            below.append(f"{each.what}: {each.note}")
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    console.print(table)
    for line in below:
        console.print(line, style="dim", markup=False)


def _short(value: float) -> str:
    """Three digits that count."""
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"
