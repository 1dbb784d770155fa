"""The end of an adapter test: what was found, grouped, and what the adapter was put through."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rfsn_bridge.adapter_test.rule import Finding
from rfsn_bridge.adapter_test.scripted_daemon import Outcome

_NOT_TRIED: Mapping[str, str] = {
    "player_line": "no line was spoken: nothing of a turn was tested",
    "speech_report": "no report came: what was heard was not tested",
    "actions_register": "no action was registered: none was asked for",
    "game_paused": "no pause came",
    "save_loaded": "no save was loaded",
}


@dataclass(frozen=True, slots=True)
class Group:
    """The breaches of one rule: the first of them, and how many there were."""

    finding: Finding
    count: int


def grouped(findings: Sequence[Finding]) -> list[Group]:
    """One group a rule, errors first, each in the order of its first breach."""
    rules = dict.fromkeys(finding.rule for finding in findings)
    groups = []
    for rule in rules:
        of_rule = [finding for finding in findings if finding.rule == rule]
        groups.append(Group(of_rule[0], len(of_rule)))
    return sorted(groups, key=lambda group: group.finding.severity != "error")


def failed(tested: Outcome) -> bool:
    """Whether an error was found, or there was nothing to find any in."""
    return not tested.sent or any(finding.severity == "error" for finding in tested.findings)


def lines(tested: Outcome) -> Iterator[str]:
    """The report for a person to read."""
    if not tested.sent:
        yield "no adapter connected"
        return
    for group in grouped(tested.findings):
        finding = group.finding
        times = f" (and {group.count - 1} more)" if group.count > 1 else ""
        yield f"{finding.severity:<8} {finding.rule}: {finding.what}{times}"
        yield f"         do: {finding.remedy}"
        if finding.message:
            yield f"         in: {finding.message}"
    sent = ", ".join(f"{count} {kind or 'unknown'}" for kind, count in sorted(tested.sent.items()))
    yield f"over     {', then '.join(tested.transports)}"
    yield f"sent     {sent}"
    yield f"test     {', '.join(tested.provoked) or 'nothing was provoked'}"
    for kind, what in _NOT_TRIED.items():
        if kind not in tested.sent and not (kind == "speech_report" and tested.audio == "daemon"):
            yield f"untried  {what}"
    errors = sum(finding.severity == "error" for finding in tested.findings)
    warnings = len(tested.findings) - errors
    yield f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')} in {_counted(tested.turns, 'turn')}"


def document(tested: Outcome) -> dict[str, Any]:
    """The report for a program."""
    return {
        "ok": not failed(tested),
        "findings": [asdict(finding) for finding in tested.findings],
        "provoked": tested.provoked,
        "sent": tested.sent,
        "transports": tested.transports,
        "turns": tested.turns,
        "audio": tested.audio,
    }


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
