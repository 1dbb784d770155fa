"""`rfsn-bridge analyze`, `evaluate`, `replay` and `prior fit`: what episode files tell."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from rfsn_bridge import config, paths
from rfsn_bridge.cli import settings
from rfsn_bridge.errors import BridgeError

if TYPE_CHECKING:
    from rfsn_bridge.episodes.analyze import Analysis
    from rfsn_bridge.episodes.episode_file import Episode
    from rfsn_bridge.episodes.replay import Difference
    from rfsn_bridge.mind.decide import Mind

_WIDTH = 110
"""Of tables, where the output is no terminal."""
_SHOWN = 20


_A = {"action": "an action", "style": "a style"}


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `analyze`, `replay`, `evaluate` and `prior`."""
    _add_analyze(subparsers)
    _add_replay(subparsers)
    _add_evaluate(subparsers)
    _add_prior(subparsers)


# --- analyze ----------------------------------------------------------------------------------------


def _add_analyze(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = subparsers.add_parser(
        "analyze",
        help="show rewards, feelings and actions of an episode file",
        description="Tell what happened in an episode file: rewards, affinity, trust and fear as its turns went "
        "by, what the NPCs did and how they said it; with -o also as a picture.",
        epilog="Example: rfsn-bridge analyze lydia.jsonl -o lydia.png",
    )
    command.add_argument("file", metavar="FILE", help="an episode file")
    command.add_argument("-o", "--out", metavar="PNG", help="also draw a picture (needs the extra `plots`)")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(func=_analyze)


def _analyze(args: argparse.Namespace) -> int:
    from rfsn_bridge.episodes.analyze import analyze

    found = analyze(_episodes(args.file))
    if args.json:
        print(json.dumps({"file": args.file, **found.as_json()}, indent=2))
    else:
        _show_analysis(found, args.file)
    if args.out:
        from rfsn_bridge.episodes.plots import draw

        draw(found, f"{Path(args.file).name}: {found.turns} turns", Path(args.out).expanduser())
        if not args.json:
            print(f"drawn: {args.out}")
    return 0


def _show_analysis(found: "Analysis", file: str) -> None:
    from rfsn_bridge.episodes.analyze import ranked

    turns = _table(
        f"{file}: {found.turns} turns of {found.npcs} NPCs", "turns", "reward", "affinity", "trust", "fear"
    )
    for begin, end, means in found.curves.parts():
        turns.add_row(
            f"{begin}-{end}", *(_number(means[name]) for name in ("reward", "affinity", "trust", "fear"))
        )
    _show(turns)
    for title, kinds in (("action", found.actions), ("style", found.styles)):
        table = _table(f"{title}s", title, "turns", "share", "mean reward")
        for name, kind in ranked(kinds):
            share = f"{kind.turns / found.turns:.1%}"
            table.add_row(name.lower(), str(kind.turns), share, _number(kind.reward.value))
        _show(table)
    _print(
        f"mean reward {_number(found.reward.value)} (style {_number(found.style_reward.value)}) over "
        f"{found.reward.count} turns that were rewarded; another action than the likeliest in {found.tried} turns"
    )
    for rule, count in found.vetoes.most_common():
        _print(f"{rule} denied {count} candidates")


# --- replay -----------------------------------------------------------------------------------------


def _add_replay(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = subparsers.add_parser(
        "replay",
        help="decide a recording again under other world rules",
        description="Weigh every recorded line twice: under the rules of config.yaml, and with other rules on top "
        "or under another config.yaml. Shows which turns would have chosen another action, and how far states, "
        "predictions and scores move.",
        epilog="Example: rfsn-bridge replay lydia.jsonl --rules harsher.yaml",
    )
    command.add_argument("file", metavar="FILE", help="an episode file")
    command.add_argument(
        "--rules",
        action="append",
        default=[],
        metavar="YAML",
        help="world rules to put on top; may be given again",
    )
    command.add_argument("--against", metavar="CONFIG", help="another config.yaml to compare with")
    command.add_argument(
        "--turns", type=int, default=_SHOWN, metavar="N", help=f"changed turns to list ({_SHOWN})"
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    settings.add_options(command)
    command.set_defaults(func=_replay)


def _replay(args: argparse.Namespace) -> int:
    from rfsn_bridge.episodes.replay import Difference, compare

    if not (args.rules or args.against):
        raise BridgeError("there is nothing to compare with", "give --rules YAML or --against CONFIG")
    one, other = _minds(args)
    revisions = {one.world.rules.revision, other.world.rules.revision}
    total = Difference()
    changed: list[dict[str, Any]] = []
    for line in compare(_episodes(args.file), one, other):
        total.add(line)
        episode = line.episode
        if episode.trace and episode.trace.rules_revision and episode.trace.rules_revision not in revisions:
            total.other_rules += 1
        if line.chooses_another and len(changed) < max(0, args.turns):
            changed.append(
                {
                    "npc_id": episode.npc_id,
                    "turn": episode.turn,
                    "signal": episode.player_signal,
                    "from": line.one.choice,
                    "to": line.other.choice,
                    "scores": [line.one.scores.get(line.one.choice), line.one.scores.get(line.other.choice)],
                    "other_scores": [
                        line.other.scores.get(line.one.choice),
                        line.other.scores.get(line.other.choice),
                    ],
                }
            )
    if args.json:
        print(json.dumps({"file": args.file, **total.as_json(), "first": changed}, indent=2))
    else:
        _show_difference(total, changed, args.file)
    return 0


def _minds(args: argparse.Namespace) -> tuple["Mind", "Mind"]:
    from rfsn_bridge.episodes import parts

    data = paths.data_folder(args.data)
    one = other = settings.load(args)[0]
    if args.against:
        other = config.load(Path(args.against).expanduser())
    if args.rules:
        rules = (*other.mind.rules, *map(_pack, args.rules))
        other = other.model_copy(update={"mind": other.mind.model_copy(update={"rules": rules})})
    return parts.mind(one, data), parts.mind(other, data)


def _pack(name: str) -> str:
    """A plugin's pack by name, or a YAML file as it is found from here."""
    return str(Path(name).expanduser().resolve()) if name.endswith((".yaml", ".yml")) else name


def _show_difference(total: "Difference", changed: list[dict[str, Any]], file: str) -> None:
    found = total.as_json()
    title = f"{file}: {total.other_choice} of {total.turns} turns choose another action, {total.differ} differ"
    table = _table(title, "mean distance of", *found["state_distance"])
    for name, key in (("state after the line", "state_distance"), ("predicted states", "prediction_distance")):
        table.add_row(name, *(f"{value:.4f}" for value in found[key].values()))
    _show(table)
    if total.changed:
        table = _table("instead of", "was", "is", "turns")
        for each in found["changed"][:_SHOWN]:
            table.add_row(each["from"], each["to"], str(each["turns"]))
        _show(table)
        table = _table(f"the first {len(changed)}", "NPC", "turn", "heard", "was", "is", "scores before", "now")
        for each in changed:
            scores = [" / ".join(map(_number, each[key])) for key in ("scores", "other_scores")]
            row = (each["npc_id"], str(each["turn"]), each["signal"], each["from"], each["to"], *scores)
            table.add_row(*row)
        _show(table)
    for what in ("candidates", "vetoes"):
        if found[what]:
            _print(f"{what}: " + ", ".join(f"{name} in {count}" for name, count in found[what].items()))
    _print(f"scores of candidates moved by {found['score_distance']:.4f} on average")
    if total.other_rules:
        _print(f"{total.other_rules} turns were recorded under rules that neither side has now")


# --- evaluate ---------------------------------------------------------------------------------------


def _add_evaluate(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = subparsers.add_parser(
        "evaluate",
        help="what would another policy have earned in a recording?",
        description="Estimate the reward per turn of a policy from turns that were recorded under another one: by "
        "inverse propensities (IPS), the same self-normalized (SNIPS), and doubly robust, with 95 % intervals. "
        "Refused where the recording never tried what the policy would do.",
        epilog="Example: rfsn-bridge evaluate lydia.jsonl --policy thompson",
    )
    command.add_argument("file", metavar="FILE", help="an episode file")
    command.add_argument(
        "--policy",
        required=True,
        metavar="NAME",
        help="logged (what was recorded), uniform (chance), greedy, or another learner",
    )
    command.add_argument("--choice", choices=("action", "style"), default="action", help="which choice (action)")
    command.add_argument("--json", action="store_true", help="print JSON")
    settings.add_options(command)
    command.set_defaults(func=_evaluate)


def _evaluate(args: argparse.Namespace) -> int:
    from rfsn_bridge.episodes import evaluate, parts

    learner = prior = None
    if args.policy not in (evaluate.LOGGED, evaluate.UNIFORM):
        told = settings.load(args)[0]
        told = told.model_copy(update={"mind": told.mind.model_copy(update={"learner": args.policy})})
        mind = parts.mind(told, paths.data_folder(args.data))
        learner, prior = mind.learner, mind.priors.get(args.choice)
    log = evaluate.read(_episodes(args.file), args.choice)
    target = list(evaluate.probabilities(log, args.choice, args.policy, learner, prior))
    found = evaluate.evaluate(log, args.choice, args.policy, target)
    if args.json:
        print(json.dumps({"file": args.file, **found.as_json()}, indent=2))
        return 0
    title = f"{args.file}: {args.policy}, by {found.turns} choices of {_A[args.choice]} that were rewarded"
    table = _table(title, "reward per turn", "value", "95 % interval", "worth so many turns")
    table.add_row("as recorded", _number(found.logged), "", str(found.turns))
    for name, each in (("IPS", found.ips), ("SNIPS", found.snips), ("doubly robust", found.doubly_robust)):
        interval = f"{_number(each.low)} to {_number(each.high)}"
        table.add_row(name, _number(each.value), interval, f"{each.effective:.0f}")
    _show(table)
    _print("doubly robust: the value of clipped weights, the interval of plain ones")
    _print(f"recorded propensities are {found.off_balance:.3f} from what was done (total variation)")
    if found.turns == evaluate.MOST:
        _print(f"only the first {evaluate.MOST} were read")
    return 0


# --- prior fit --------------------------------------------------------------------------------------


def _add_prior(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    prior = subparsers.add_parser(
        "prior",
        help="where NPCs without experience begin",
        description="What the population has learned, as a file that `mind.prior` of config.yaml may name.",
        epilog="Example: rfsn-bridge prior fit a.jsonl b.jsonl -o prior.json",
    )
    commands = prior.add_subparsers(metavar="COMMAND", required=True)
    fit = commands.add_parser(
        "fit",
        help="learn it from episode files",
        description="Learn from what many NPCs did, in recordings or simulations, where a new one best begins.",
        epilog="Example: rfsn-bridge prior fit a.jsonl b.jsonl -o prior.json",
    )
    fit.add_argument("files", nargs="+", metavar="FILE", help="episode files")
    fit.add_argument("-o", "--out", required=True, metavar="FILE", help="where the prior goes")
    fit.set_defaults(func=_fit)


def _fit(args: argparse.Namespace) -> int:
    from rfsn_bridge.episodes.episode_file import written
    from rfsn_bridge.episodes.evaluate import population

    fitted, counts = population(_episodes(file) for file in args.files)
    with written(Path(args.out).expanduser()) as out:
        out.write(fitted)
    told = " and ".join(f"{count} choices of {_A[kind]}" for kind, count in counts.items())
    print(f"{args.out}: {len(fitted)} bytes, from {told}; name it as `mind: {{prior: {args.out}}}` in config.yaml")
    return 0


# --- What the commands share ------------------------------------------------------------------------


def _episodes(file: str) -> Iterator["Episode"]:
    from rfsn_bridge.episodes import episode_file

    with progress("turns", None) as advance:
        for episode in episode_file.read(Path(file).expanduser()):
            yield episode
            advance(1)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index == 0 else "right")
    return table


def _show(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False, markup=False).print(table)


def _print(line: str) -> None:
    print(line)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
