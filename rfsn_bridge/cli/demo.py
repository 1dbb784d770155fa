"""`rfsn-bridge demo`: hear an NPC answer, with nothing set up but this."""

import argparse
import asyncio
import secrets
import shutil
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from rfsn_bridge import paths
from rfsn_bridge.cli.models import progress_bar
from rfsn_bridge.client import Disconnected, connect
from rfsn_bridge.demo import mind_choice, scene
from rfsn_bridge.demo.loudspeaker import Loudspeaker, Silence, open_loudspeaker
from rfsn_bridge.demo.own_daemon import last_words, own_daemon
from rfsn_bridge.demo.recording import Recording
from rfsn_bridge.demo.scene import Scene, Take
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.models import catalogue, fetch
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import AudioDropped, Interrupt, Notice, Numbered, SentenceSaid, TurnFinished

_WARM_UP_LINE = "Good day."
_LOG = "daemon.log"
_SCRATCH = ".demo"
_STYLES = {"player": "cyan", "npc": "bold", "mind": "dim", "note": "dim"}


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = subparsers.add_parser(
        "demo",
        help="hear an NPC answer",
        description="Play a short scene with Jarl Balgruuf, with a real language model and a real voice: Ollama or"
        " LM Studio where one runs here, otherwise a very small model that is fetched with the voice. What he says"
        " is kept as WAV files.",
        epilog="Example: rfsn-bridge demo --out rfsn-demo",
    )
    demo.add_argument(
        "--out", metavar="FOLDER", default="rfsn-demo", help="for the WAV files (default: rfsn-demo)"
    )
    demo.add_argument(
        "--backend", choices=mind_choice.BACKENDS, help="(default: the first of these that is there)"
    )
    demo.add_argument("--model", help="a model's name as that server lists it, or the path of a .gguf")
    demo.add_argument("--text-only", action="store_true", help="without a voice")
    demo.add_argument("--no-play", action="store_true", help="only write the WAV files")
    demo.add_argument(
        "--data", metavar="FOLDER", help="the data folder, for models (default: RFSN_DATA, else yours)"
    )
    demo.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    out = Path(args.out).expanduser().resolve()
    recording = Recording(out)
    choice = mind_choice.choose(args.backend, args.model)
    console.print(choice.said)
    tts: dict[str, Any] = {"engine": "none"} if args.text_only else {"engine": "kokoro"}
    config = with_models({"llm": choice.llm, "tts": tts}, paths.data_folder(args.data), console)
    loudspeaker = Silence() if args.no_play or args.text_only else open_loudspeaker()
    scratch = out / _SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)  # of a demo that was killed
    try:
        scratch.mkdir()
        (scratch / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
        asyncio.run(_perform(scratch, recording, loudspeaker, console))
    except OSError as error:
        message = f"{error.filename or out} cannot be written ({error.strerror})"
        raise BridgeError(message, "choose another folder with --out") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _farewell(recording, loudspeaker, console)
    return 0


def with_models(config: dict[str, Any], data: Path, console: Console) -> dict[str, Any]:
    """The config with the paths of its models, which are pulled where they are missing; raises ModelMissing."""
    embedded = config["llm"].get("options", {}).get("llama_cpp")
    if embedded and embedded["model"] in catalogue.load():
        embedded["model"] = str(_model(embedded["model"], data, console))
    if config["tts"]["engine"] == "kokoro":
        model, voices = (str(_model(name, data, console)) for name in ("kokoro", "kokoro-voices"))
        config["tts"]["options"] = {"kokoro": {"model": model, "voices": voices}}
    return config


def _model(name: str, data: Path, console: Console) -> Path:
    try:
        return catalogue.find(name, data)
    except BridgeError:
        model = catalogue.named(name)
    console.print(f"Fetching {model.file} ({model.size / 1e6:.0f} MB, licence: {model.licence})")
    with progress_bar(console) as report:
        return fetch.pull(model, data, report)


async def _perform(scratch: Path, recording: Recording, loudspeaker: Loudspeaker, console: Console) -> None:
    """Start a daemon, warm its models, play the scene, check what came of it."""
    log = recording.folder / _LOG
    speech = "kokoro" in (scratch / "config.yaml").read_text("utf-8")
    played = scene.load()

    def show(text: str, kind: str) -> None:
        console.print(f"\n{text}" if kind == "player" else f"  {text}", style=_STYLES[kind])

    def show_notice(message: Numbered) -> None:
        if isinstance(message, Notice) and message.level != "info":
            console.print(f"  [{message.level}] {message.message}" + (f"; {message.hint}" if message.hint else ""))

    try:
        async with own_daemon(scratch / "config.yaml", scratch / "data", log) as url:
            audio = "binary" if speech else "none"
            with console.status("Loading the models ..."):
                if not console.is_terminal:
                    console.print("Loading the models ...")
                await _warm_up(url, played, audio, show_notice)
            async with connect(
                url, name="demo", audio=audio, playthrough=_fresh(), on_message=show_notice
            ) as client:
                takes = await scene.play(played, client, loudspeaker, recording, show)
    except Disconnected as error:
        raise BridgeError(f"the daemon stopped: {last_words(log)}", f"its log is {log}") from error
    _check(takes)


async def _warm_up(url: str, played: Scene, audio: str, on_message: Any) -> None:
    """Have the NPC say a word that nobody hears, in a game of its own: then everything is loaded."""
    async with connect(url, name="demo", audio=audio, playthrough=_fresh(), on_message=on_message) as client:
        await client.request(played.npc)
        turn = await client.say(played.npc.npc_id, _WARM_UP_LINE)
        async for part in turn:
            if isinstance(part, AudioDropped):
                raise BridgeError(f"the voice cannot speak: {part.reason}", "run: rfsn-bridge doctor")
            if isinstance(part, TurnFinished) and part.error:
                raise BridgeError(part.error.message, part.error.hint or "")
            if isinstance(part, AudioFrame) or (isinstance(part, SentenceSaid) and audio == "none"):
                await client.send(Interrupt(turn_id=turn.turn_id))


def _check(takes: list[Take]) -> None:
    for take in takes:
        take.check()


def _fresh() -> str:
    return f"demo-{secrets.token_hex(4)}"


def _farewell(recording: Recording, loudspeaker: Loudspeaker, console: Console) -> None:
    console.print()
    if whole := recording.finish():
        where = f"on {loudspeaker.name}" if loudspeaker.name else "by nobody, as no sound device was used"
        console.print(f"Heard {where}: {recording.sentences} sentences, {recording.seconds:.1f} s.")
        console.print(f"The whole scene is {whole}, with each sentence beside it.")
    console.print("Go on: rfsn-bridge run (then start your game), rfsn-bridge say NPC TEXT, rfsn-bridge doctor.")
