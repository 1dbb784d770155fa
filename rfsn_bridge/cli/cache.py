"""`rfsn-bridge cache`: the phrases that were spoken before and are kept as sound."""

import argparse
import json

from rfsn_bridge import paths
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.speech.phrase_files import PhraseFiles, folder_in


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    cache = subparsers.add_parser(
        "cache",
        help="the spoken phrases that are kept: how many, and away with them",
        description="What NPCs say again and again is kept as sound in the data folder (speech.cache_disk_mb), so "
        "that it need not be spoken anew. Both commands work beside a running daemon.",
        epilog="Example: rfsn-bridge cache show",
    )
    commands = cache.add_subparsers(metavar="COMMAND", required=True)
    show = commands.add_parser(
        "show",
        help="show how many phrases are kept, and where",
        description="Show how many phrases are kept, and where.",
        epilog="Example: rfsn-bridge cache show --json",
    )
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(func=show_phrases)
    clear = commands.add_parser(
        "clear",
        help="delete them",
        description="Delete the phrases. A running daemon keeps those in its memory until it ends.",
        epilog="Example: rfsn-bridge cache clear",
    )
    clear.set_defaults(func=clear_phrases)
    for command in (show, clear):
        command.add_argument(
            "--data", metavar="FOLDER", help="the data folder (default: RFSN_DATA, else your own)"
        )


def show_phrases(args: argparse.Namespace) -> int:
    files = PhraseFiles(folder_in(paths.data_folder(args.data)))
    listed = _listing(files)
    if args.json:
        about = {"phrases": len(listed), "bytes": sum(size for _, size in listed), "folder": str(files.folder)}
        print(json.dumps(about, ensure_ascii=False, indent=2))
    else:
        print(f"{_in_words(listed)} in {files.folder}")
    return 0


def clear_phrases(args: argparse.Namespace) -> int:
    files = PhraseFiles(folder_in(paths.data_folder(args.data)))
    listed = _listing(files)
    files.sweep()
    files.delete(key for key, _ in listed)
    left = {key for key, _ in _listing(files)} & {key for key, _ in listed}
    if left:
        raise BridgeError(f"{len(left)} of {len(listed)} phrases could not be deleted", f"see {files.folder}")
    print(f"deleted: {_in_words(listed)}")
    return 0


def _listing(files: PhraseFiles) -> list[tuple[str, int]]:
    try:
        return files.listing()
    except OSError as error:
        raise BridgeError(f"{files.folder} cannot be read: {error.strerror}", "check --data") from error


def _in_words(listed: list[tuple[str, int]]) -> str:
    megabytes = sum(size for _, size in listed) / 1024**2
    return f"{len(listed)} phrase{'' if len(listed) == 1 else 's'}, {megabytes:.1f} MB"
