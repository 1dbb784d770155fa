"""Compare sentence splitters on one stream: accuracy, variance with chunking, delay, and cost of a token.

Run as ``python benchmarks/splitter.py [--peers] [--ewt FILE] [--json]``. A peer that splits whole texts is used
as streaming programs use it: it sees the text since its last sentence, and all but the last piece is spoken.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import yaml
from rich.console import Console
from rich.table import Table

from rfsn_bridge.speech.sentences import SentenceSplitter

if TYPE_CHECKING:
    from report import Row

DATA = Path(__file__).parent / "data" / "sentences.yaml"
CHUNKINGS = (1, 2, 3, 4, 7, 1_000_000)
TOKEN = 4  # characters, about what an English LLM token holds
RUN_ON = ("the wind howls over the pale road and nobody answers " * 80)[:4000]


class Splitter(Protocol):
    def feed(self, text: str) -> list[str]: ...
    def flush(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Case:
    """A text and its true sentences."""

    text: str
    sentences: tuple[str, ...]


@dataclass(slots=True)
class Result:
    """What one splitter scored; delays in characters after the true boundary, fed one character at a time."""

    name: str
    correct: dict[str, str] = field(default_factory=dict)
    varying: int = 0
    lossy: int = 0
    delay_mean: float = 0.0
    delay_p95: float = 0.0
    live_recall: float = 0.0
    token_us: float = 0.0
    run_on_us: float = 0.0
    worst_feed_us: float = 0.0


class Whole:
    """Feeds a splitter of whole texts from a stream."""

    def __init__(self, split: Callable[[str], Iterable[str]]) -> None:
        self._split = split
        self._buffer = ""

    def feed(self, text: str) -> list[str]:
        self._buffer += text
        pieces = list(self._split(self._buffer))
        if len(pieces) < 2:
            return []
        last = self._buffer.rfind(pieces[-1].strip())  # as it was: many strip the white space that ends it
        self._buffer = self._buffer[last:] if last >= 0 else pieces[-1]
        return [piece.strip() for piece in pieces[:-1]]

    def flush(self) -> list[str]:
        pieces = [piece.strip() for piece in self._split(self._buffer)]
        self._buffer = ""
        return [piece for piece in pieces if piece]


def peers() -> Iterator[tuple[str, Callable[[], Splitter] | str]]:
    """Each peer's factory, or the reason it cannot run here."""

    def pysbd() -> Callable[[str], Iterable[str]]:
        segmenter: Any = importlib.import_module("pysbd").Segmenter(language="en", clean=False)
        return lambda text: segmenter.segment(text)

    def sentencex() -> Callable[[str], Iterable[str]]:
        segment: Any = importlib.import_module("sentencex").segment
        return lambda text: segment("en", text)

    def yasbd() -> Callable[[str], Iterable[str]]:
        detector: Any = importlib.import_module("yasbd").BoundaryDetector(lang="en")
        return lambda text: detector.segment(text)

    def blingfire() -> Callable[[str], Iterable[str]]:
        to_sentences: Any = importlib.import_module("blingfire").text_to_sentences
        return lambda text: to_sentences(text).split("\n")

    def punkt() -> Callable[[str], Iterable[str]]:
        tokenize: Any = importlib.import_module("nltk").sent_tokenize
        return lambda text: tokenize(text)

    for name, build in (
        ("pysbd", pysbd),
        ("sentencex", sentencex),
        ("yasbd-lib", yasbd),
        ("blingfire", blingfire),
        ("nltk Punkt", punkt),
    ):
        try:
            split = build()
            list(split("One. Two."))
        except (ImportError, LookupError, OSError, AttributeError, TypeError) as error:
            reason = next((line.strip() for line in str(error).splitlines() if line.strip(" *")), "")
            yield name, f"{type(error).__name__}: {reason}"
        else:
            yield name, lambda split=split: Whole(split)  # type: ignore[misc]


def open_cases(path: Path = DATA) -> dict[str, list[Case]]:
    """The cases of the open set by part: tune, held and golden."""
    parts: dict[str, list[Case]] = {}
    for group, content in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        for part, lines in content.items():
            for line in lines.splitlines():
                marked = line.replace("⏎", "\n")
                pieces = tuple(piece.strip() for piece in marked.split("¦"))
                key = group if part == "all" else part
                parts.setdefault(key, []).append(Case(marked.replace("¦", ""), pieces))
    return parts


def web_cases(path: Path) -> list[Case]:
    """Paragraphs of two sentences or more: from CoNLL-U, or from a sentence a line with a blank line between."""
    paragraphs: list[list[str]] = [[]]
    conllu = path.suffix == ".conllu"
    for line in path.read_text(encoding="utf-8").splitlines():
        if conllu and line.startswith("# text = "):
            paragraphs[-1].append(line.removeprefix("# text = ").strip())
        elif line.startswith(("# newpar", "# newdoc")) if conllu else not line.strip():
            paragraphs.append([])
        elif not conllu:
            paragraphs[-1].append(line.strip())
    return [Case(" ".join(sentences), tuple(sentences)) for sentences in paragraphs if len(sentences) > 1]


def chunks(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def split(splitter: Splitter, pieces: Iterable[str]) -> list[str]:
    sentences = [sentence for piece in pieces for sentence in splitter.feed(piece)]
    return sentences + splitter.flush()


def score(result: Result, make: Callable[[], Splitter], parts: dict[str, list[Case]]) -> None:
    """Fill in everything but the times."""
    delays: list[int] = []
    boundaries = 0
    for part, cases in parts.items():
        correct = 0
        for case in cases:
            outcomes = [split(make(), chunks(case.text, size)) for size in CHUNKINGS]
            correct += outcomes[CHUNKINGS.index(TOKEN)] == list(case.sentences)
            result.varying += any(outcome != outcomes[0] for outcome in outcomes)
            result.lossy += any("".join("".join(o).split()) != "".join(case.text.split()) for o in outcomes)
            boundaries += len(case.sentences) - 1
            delays += live_delays(make(), case)
        result.correct[part] = f"{correct}/{len(cases)}"
    ordered = sorted(delays) or [0]
    result.delay_mean = round(statistics.fmean(ordered), 2)
    result.delay_p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    result.live_recall = round(len(delays) / max(1, boundaries), 3)


def live_delays(splitter: Splitter, case: Case) -> list[int]:
    """For every true boundary found before the flush: the characters read past it by then."""
    ends: dict[int, int] = {}  # visible characters before the boundary -> its place in the text
    place = visible = 0
    for sentence in case.sentences[:-1]:
        place = case.text.index(sentence, place) + len(sentence)
        visible += len("".join(sentence.split()))
        ends[visible] = place
    delays = []
    spoken = 0
    for read, character in enumerate(case.text, 1):
        for sentence in splitter.feed(character):
            spoken += len("".join(sentence.split()))
            if spoken in ends:
                delays.append(read - ends[spoken])
    return delays


def clock(makes: dict[str, Callable[[], Splitter]], texts: list[str], rounds: int) -> dict[str, float]:
    """Median microseconds a token, all sides interleaved."""
    streams = [chunks(text, TOKEN) for text in texts]
    tokens = sum(map(len, streams))
    times: dict[str, list[float]] = {name: [] for name in makes}
    for _ in range(rounds):
        for name, make in makes.items():
            begun = time.perf_counter()
            for stream in streams:
                splitter = make()
                for token in stream:
                    splitter.feed(token)
                splitter.flush()
            times[name].append((time.perf_counter() - begun) / tokens * 1e6)
    return {name: round(statistics.median(spent), 2) for name, spent in times.items()}


def worst_feed(make: Callable[[], Splitter], texts: list[str], rounds: int = 5) -> float:
    """The slowest feed in microseconds; each feed's best of some rounds, for the machine has other work."""
    best: list[float] = []
    for _ in range(rounds):
        spent = []
        for text in texts:
            splitter = make()
            for token in chunks(text, TOKEN):
                begun = time.perf_counter()
                splitter.feed(token)
                spent.append((time.perf_counter() - begun) * 1e6)
        best = [min(pair) for pair in zip(best, spent, strict=True)] if best else spent
    return round(max(best), 1)


def measure(options: argparse.Namespace) -> tuple[list[Result], list[str]]:
    makes: dict[str, Callable[[], Splitter]] = {"rfsn-bridge": SentenceSplitter}
    skipped = []
    for name, make in peers() if options.peers else ():
        if isinstance(make, str):
            skipped.append(f"{name} skipped: {make}")
        else:
            makes[name] = make
    parts = open_cases()
    if options.ewt:
        parts["web"] = web_cases(options.ewt)
    results = [Result(name) for name in makes]
    for result in results:
        score(result, makes[result.name], parts)
    texts = [case.text for cases in parts.values() for case in cases]
    token_us = clock(makes, texts, options.rounds)
    run_on_us = clock(makes, [RUN_ON], min(3, options.rounds))
    for result in results:
        result.token_us = token_us[result.name]
        result.run_on_us = run_on_us[result.name]
        result.worst_feed_us = worst_feed(makes[result.name], texts, min(5, options.rounds))
    return results, skipped


def show(results: list[Result]) -> Table:
    table = Table("", *(result.name for result in results), title="Sentence splitters, four characters a token")
    for part in results[0].correct:
        table.add_row(f"correct, {part}", *(result.correct[part] for result in results))
    for label, name in (
        ("vary with chunking", "varying"),
        ("lose text", "lossy"),
        ("delay, mean characters", "delay_mean"),
        ("delay, p95", "delay_p95"),
        ("live recall", "live_recall"),
        ("us a token", "token_us"),
        ("us a token, run-on", "run_on_us"),
        ("worst feed, us", "worst_feed_us"),
    ):
        table.add_row(label, *(f"{getattr(result, name):g}" for result in results))
    return table


def judged(result: Result) -> list[Row]:
    """Our own splitter's figures beside their targets."""
    from report import single  # here, for a test loads this file from elsewhere

    wrong = sum(int(total) - int(right) for right, total in (each.split("/") for each in result.correct.values()))
    return [
        single(
            "cases split wrongly", "", wrong, samples=sum(int(c.split("/")[1]) for c in result.correct.values())
        ),
        single("results that vary with chunking", "", result.varying, ("<=", 0)),
        single("results that lose text", "", result.lossy, ("<=", 0)),
        single("delay, mean", "characters", result.delay_mean, ("<=", 1.6)),
        single("delay, p95", "characters", result.delay_p95, ("<=", 3)),
        single("boundaries found before the end", "", result.live_recall, (">=", 0.95)),
        single("cost", "us/token", result.token_us, ("<=", 2)),
        single("cost on 4,000 characters without a stop", "us/token", result.run_on_us, ("<=", 2)),
        single("the worst feed", "us", result.worst_feed_us, ("<=", 200)),
    ]


def main(arguments: list[str] | None = None) -> int:
    import report

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true", help="compare with the splitters installed here")
    parser.add_argument(
        "--ewt", type=Path, help="CoNLL-U, or a sentence a line and a blank line between paragraphs"
    )
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds")
    parser.add_argument("--quick", action="store_true", help="accepted, as by the others: this one is quick")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args(arguments)
    machine = report.this_machine()
    results, skipped = measure(options)
    rows = judged(results[0])
    if options.json:
        left_out = [asdict(report.Skipped(*line.split(" skipped: ", 1))) for line in skipped]
        compared = {"results": [asdict(result) for result in results], "machine": machine}
        json.dump(report.as_json(rows) | {"skipped": left_out} | compared, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return 0
    console = Console()
    if options.peers:
        console.print(show(results))
    for line in skipped:
        console.print(line, style="dim")
    report.show("Sentence splitter, fed four characters at a time", rows, machine)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
