"""ONNX Runtime as Kokoro needs it: quiet between operators, cancellable, and exchanged between two utterances."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

DURATIONS, SKIPPED = "durations", "skipped"


class Cancelled(Exception):
    """The utterance is not wanted any more."""


def default_threads() -> int:
    cores = os.cpu_count() or 2
    return cores if cores <= 2 else min(4, cores // 2)


class Session:
    """One graph, loaded."""

    def __init__(self, path: Path, quality: str, threads: int) -> None:
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        # Spinning threads would take the cores from the game between two operators.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        settings.log_severity_level = 3
        self.quality = quality
        self.threads = threads
        self._session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        inputs = {each.name: each.type for each in self._session.get_inputs()}
        self._tokens = "input_ids" if "input_ids" in inputs else "tokens"  # Exports differ.
        self._whole_speed = "int" in inputs.get("speed", "")
        outputs = [each.name for each in self._session.get_outputs()]
        self._outputs = [outputs[0], *(name for name in (DURATIONS, SKIPPED) if name in outputs)]

    def run(
        self, tokens: Sequence[int], style: NDArray[np.float32], speed: float, options: Any = None
    ) -> tuple[Samples, Sequence[float]]:
        """The samples, and the frames of each token and of the pads around them; none if the graph does not tell.

        Of the first pad only what was rendered counts, which may be less than nothing.
        """
        import numpy as np

        inputs = {
            self._tokens: np.array([[0, *tokens, 0]], np.int64),
            "style": style,
            "speed": np.array([max(1, round(speed))], np.int32)
            if self._whole_speed
            else np.array([speed], np.float32),
        }
        samples, *told = self._session.run(self._outputs, inputs, options)
        durations: list[float] = told[0].reshape(-1).tolist() if told else []
        if len(told) > 1:
            durations[0] -= int(told[1][0])
        return samples.reshape(-1), durations


class Runs:
    """The session that speaks. `cancel` may come from any thread, and so may `offer`, a better session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._offered: Session | None = None
        self._lock = threading.Lock()
        self._cancelled = False
        self._running: Any = None
        self.begun = 0
        """How many utterances have begun: whoever measures sees whether one came between."""

    @property
    def session(self) -> Session:
        return self._session

    @property
    def speaking(self) -> bool:
        return self._running is not None

    def begin(self) -> None:
        """An utterance begins: what was cancelled before does not concern it; a better session takes over."""
        with self._lock:
            self._cancelled = False
            self.begun += 1
            if self._offered is not None:
                self._session, self._offered = self._offered, None

    def offer(self, session: Session) -> None:
        with self._lock:
            self._offered = session

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            if self._running is not None:
                self._running.terminate = True

    def run(
        self, tokens: Sequence[int], style: NDArray[np.float32], speed: float
    ) -> tuple[Samples, Sequence[float]]:
        """Raise Cancelled."""
        import onnxruntime

        with self._lock:
            if self._cancelled:
                raise Cancelled
            self._running = options = onnxruntime.RunOptions()
        try:
            return self._session.run(tokens, style, speed, options)
        except Exception:
            # The runtime has no exception of its own for a run that was terminated.
            if options.terminate:
                raise Cancelled from None
            raise
        finally:
            with self._lock:
                self._running = None
