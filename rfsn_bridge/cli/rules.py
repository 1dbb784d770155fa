"""`rfsn-bridge rules`: the world rules in force, and what is wrong with them."""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rfsn_bridge import paths, yaml_file
from rfsn_bridge.cli import settings
from rfsn_bridge.domain import Action
from rfsn_bridge.episodes import parts
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.interfaces import WorldRules
from rfsn_bridge.mind.considerations import Consideration, load_considerations
from rfsn_bridge.mind.findings import Entry, Finding
from rfsn_bridge.mind.rule_files import load_rules
from rfsn_bridge.mind.rules import Condition, Proposal, Rule, RuleSet
from rfsn_bridge.mind.rules_lint import lint
from rfsn_bridge.mind.scorer import UtilityScorer

_OF_CONSIDERATIONS = {"considerations", "groups"}


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    rules = subparsers.add_parser(
        "rules",
        help="list the world rules, and find mistakes in them",
        description="What things do to NPCs, what they usually do about it, and what makes an action a good one.",
        epilog="Example: rfsn-bridge rules lint my_pack.yaml",
    )
    commands = rules.add_subparsers(metavar="COMMAND", required=True)
    for name, what, main in (
        ("lint", "find rules that never fire, never matter or run away", lint_rules),
        ("list", "show every rule, proposal and consideration with its place", list_rules),
    ):
        command = commands.add_parser(
            name,
            help=what,
            description=f"{what.capitalize()}. Ours, with FILEs merged into them in order; without FILE, what "
            "config.yaml has in force." + (" Ends with 1 if there is an error." if name == "lint" else ""),
            epilog=f"Example: rfsn-bridge rules {name} my_pack.yaml",
        )
        command.add_argument("files", nargs="*", metavar="FILE", help="YAML of rules, or of considerations")
        command.add_argument("--json", action="store_true", help="print JSON")
        settings.add_options(command)
        command.set_defaults(func=main)


def lint_rules(args: argparse.Namespace) -> int:
    """Print what is wrong, one line each; 1 if any of it is an error."""
    rules, considerations = _in_force(args)
    findings = lint(rules, considerations)
    errors = sum(finding.level == "error" for finding in findings)
    if args.json:
        print(json.dumps({"ok": not errors, "findings": [asdict(each) for each in findings]}, indent=2))
    else:
        for finding in findings:
            print(_in_words(finding))
        looked_at = f"{len(rules.rules)} rules, {len(rules.proposals)} proposals"
        looked_at += f" and {len(considerations)} considerations" if considerations else ""
        print(f"{looked_at}: {_count(errors, 'error')}, {_count(len(findings) - errors, 'warning')}")
    return 1 if errors else 0


def list_rules(args: argparse.Namespace) -> int:
    """Print every entry in the order in which they count."""
    rules, considerations = _in_force(args)
    entries: list[tuple[str, Entry, str]] = [
        *(("rule", each, _trigger(each)) for each in rules.rules),
        *(("proposal", each, _proposal(each)) for each in rules.proposals),
        *(("consideration", each, _weight(each)) for each in considerations),
    ]
    rows = [
        {"id": each.id, "kind": kind, "file": each.file, "line": each.line, "about": about + _when(each.condition)}
        for kind, each, about in entries
    ]
    if args.json:
        print(json.dumps({"revision": rules.revision, "entries": rows}, indent=2))
        return 0
    id_width = max((len(str(row["id"])) for row in rows), default=0)
    places = [f"{row['file']}, line {row['line']}" for row in rows]
    for row, place in zip(rows, places, strict=True):
        print(f"{row['kind']:<13}  {row['id']:<{id_width}}  {place:<{max(map(len, places))}}  {row['about']}")
    return 0


def _in_force(args: argparse.Namespace) -> tuple[RuleSet, Sequence[Consideration]]:
    if args.files:
        files = [_read(Path(name)) for name in args.files]
        packs = [each for each in files if not _is_of_considerations(each)]
        return load_rules(packs), load_considerations([each for each in files if each not in packs])
    config, _ = settings.load(args)
    mind = parts.mind(config, paths.data_folder(args.data))
    scorer = mind.scorer  # a plugin's own need not be made of considerations
    return mind.world.rules, scorer.considerations if isinstance(scorer, UtilityScorer) else ()


def _read(path: Path) -> WorldRules:
    try:
        return WorldRules(str(path), path.expanduser().read_bytes())
    except OSError as error:
        raise BridgeError(f"{path} cannot be read: {error.strerror}", "check the path") from None


def _is_of_considerations(file: WorldRules) -> bool:
    value = yaml_file.read(file.text, file.name).value
    return isinstance(value, dict) and bool(_OF_CONSIDERATIONS & value.keys())


# --- Words


def _in_words(finding: Finding) -> str:
    place = f"{finding.file}, line {finding.line}: {finding.id}: " if finding.id else ""
    return f"{finding.level}: {place}{finding.kind}: {finding.message}; {finding.remedy}"


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _trigger(rule: Rule) -> str:
    on = rule.on
    if on.happenings:
        by = {None: "", True: " by the player", False: " by others"}[on.by_player]
        return f"event {_names(on.happenings)}{by}"
    if on.actions:
        return f"action {_names(on.actions)}" + (f" to signal {_names(on.signals)}" if on.signals else "")
    return f"signal {_names(on.signals)}" + (f" after action {_names(on.after)}" if on.after else "")


def _proposal(proposal: Proposal) -> str:
    on = f"signal {_names(proposal.signals)}" if proposal.signals else "any signal"
    return f"{on}: {', '.join(f'{action} {how:g}' for action, how in proposal.usual.items())}"


def _weight(each: Consideration) -> str:
    return f"weight {each.weight:g}" + ("" if len(each.actions) == len(Action) else f": {_names(each.actions)}")


def _when(condition: Condition) -> str:
    parts = [_names(each) for each in (condition.relationships, condition.moods) if each is not None]
    flags: Mapping[str, bool | None] = {"combat": condition.combat, "quest": condition.quest}
    parts += [name if on else f"no {name}" for name, on in flags.items() if on is not None]
    parts += [f"{each.low:g} <= {each.name} < {each.high:.3g}" for each in condition.between]
    return f", if {', '.join(parts)}" if parts else ""


def _names(names: Iterable[str]) -> str:
    return "/".join(sorted(names))
