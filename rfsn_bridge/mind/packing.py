"""Gaussian models in few bytes: what an NPC has learned must fit into a small file.

A covariance is kept as its variances (one byte each, on a logarithmic scale of 5 %) and its correlations (one byte
each, to 1/127); a mean as half-precision numbers. The rounding could leave a direction with a negative variance:
it is given a small positive one when it is unpacked.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Models = npt.NDArray[np.float32]
"""[model, row, column]: a covariance, and below it the mean."""

_SMALLEST = 1e-6
_STEP = math.log(1.07)
_LEAST_CORRELATION = 0.004


def packed_size(count: int, size: int) -> int:
    """How many bytes `count` models of `size` features take."""
    return count * (size + size * (size - 1) // 2 + 2 * size)


def pack(models: Models) -> bytes:
    size = models.shape[2]
    covariances = models[:, :-1].astype(float)
    variances = np.maximum(np.diagonal(covariances, axis1=1, axis2=2), _SMALLEST)
    logs = np.clip(np.rint(np.log(variances / _SMALLEST) / _STEP), 0, 255).astype(np.uint8)
    deviations = np.sqrt(variances)
    correlations = covariances / (deviations[:, :, None] * deviations[:, None])
    rows, columns = np.tril_indices(size, -1)
    lower = np.clip(np.rint(127 * correlations[:, rows, columns]), -127, 127).astype(np.int8)
    means = models[:, -1].astype("<f2")
    return b"".join((logs.tobytes(), lower.tobytes(), means.tobytes()))


def unpack(data: bytes, count: int, size: int) -> Models:
    """What `pack` gave of so many models; raises ValueError."""
    if len(data) != packed_size(count, size):
        raise ValueError("the length of what was learned is wrong")
    pairs = size * (size - 1) // 2
    at, upto = count * size, count * (size + pairs)
    logs = np.frombuffer(data[:at], np.uint8).reshape(count, size)
    lower = np.frombuffer(data[at:upto], np.int8).reshape(count, pairs)
    means = np.frombuffer(data[upto:], "<f2").reshape(count, size)
    if not np.isfinite(means).all():
        raise ValueError("what was learned is no number")
    rows, columns = np.tril_indices(size, -1)
    correlations = np.zeros((count, size, size))
    correlations[:, rows, columns] = lower / 127.0
    correlations += correlations.transpose(0, 2, 1) + np.eye(size)
    values, vectors = np.linalg.eigh(correlations)
    correlations = (vectors * np.maximum(values, _LEAST_CORRELATION)[:, None]) @ vectors.transpose(0, 2, 1)
    deviations = np.sqrt(_SMALLEST * np.exp(_STEP * logs))
    covariances = correlations * deviations[:, :, None] * deviations[:, None]
    return np.concatenate((covariances, means[:, None].astype(float)), axis=1).astype(np.float32)
