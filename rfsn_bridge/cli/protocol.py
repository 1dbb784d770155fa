"""`rfsn-bridge protocol`: the wire's reference and JSON Schema, made from the message models."""

import argparse
import json
import sys
from pathlib import Path

from rfsn_bridge.errors import BridgeError
from rfsn_bridge.protocol import reference


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    protocol = subparsers.add_parser(
        "protocol",
        help="print the protocol's reference or JSON Schema",
        description="What adapters and the daemon say to each other, generated from the message models.",
        epilog="Example: rfsn-bridge protocol docs -o docs/protocol.md",
    )
    commands = protocol.add_subparsers(metavar="COMMAND", required=True)
    for name, what, make in (
        ("docs", "the reference as Markdown", reference.markdown),
        ("schema", "the JSON Schema of every message", lambda: json.dumps(reference.schema(), indent=2) + "\n"),
    ):
        command = commands.add_parser(
            name,
            help=f"print {what}",
            description=f"Print {what}.",
            epilog=f"Example: rfsn-bridge protocol {name}",
        )
        command.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead")
        command.add_argument("--check", metavar="FILE", help="end with 1 if FILE is not what would be written")
        command.set_defaults(func=main, make=make, name=name)


def main(args: argparse.Namespace) -> int:
    text = args.make()
    if args.check:
        path = Path(args.check)
        if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
            raise BridgeError(f"{path} is not current", f"run: rfsn-bridge protocol {args.name} -o {path}")
    elif args.output:
        try:
            Path(args.output).write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            reason = f"{args.output} cannot be written: {error.strerror}"
            raise BridgeError(reason, "choose another file with -o") from None
    else:
        sys.stdout.write(text)
    return 0
