"""Rows laid out for the linear models: standardized columns, rows last, in cache-sized chunks."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from survjax._core.numerics import bucket_size
from survjax._core.pytree import data, pytree

#: Rows of one chunk: its columns and their temporaries stay in the cache.
CHUNK = 2048
#: Spreads beyond this, or below its inverse, have squares that double precision cannot hold
#: once they are divided by each other.
LARGEST = 1e75


@pytree
class Rows:
    """A table that a compiled pass walks through, padded with rows of weight zero.

    x (n_chunks, p, rows) has a leading column of ones where there is an intercept, and columns of
    zeros at the end, so that few widths compile; y and weight are (n_chunks, rows), the weights
    summing to one.
    """

    x: Any = data()
    y: Any = data()
    weight: Any = data()


def column_scales(
    X: np.ndarray, weight: np.ndarray | None, center: bool, name: str = "X"
) -> tuple[np.ndarray, np.ndarray]:
    """Give the mean and standard deviation of each column (or zero and its root mean square).

    `name` is what an error calls the columns: "X", or the name of the only one.
    """
    total = float(len(X)) if weight is None else float(weight.sum())
    ones = np.ones(len(X)) if weight is None else weight
    square = np.zeros(X.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        mean = ones @ X / total if center else np.zeros(X.shape[1])
        for start in range(0, len(X), CHUNK):
            block = X[start : start + CHUNK] - mean
            square += ones[start : start + CHUNK] @ (block * block)
    scale = np.sqrt(square / total)
    check_spreads(X, weight, mean, scale, name)
    # A column that is constant up to rounding carries nothing; dividing would make noise of it.
    flat = scale <= 1e-13 * np.maximum(np.abs(mean), np.finfo(float).tiny)
    return mean, np.where(flat | (scale == 0), 1.0, scale)


def check_spreads(
    X: np.ndarray, weight: np.ndarray | None, mean: np.ndarray, scale: np.ndarray, name: str
) -> None:
    """Refuse columns whose squares overflow or vanish: what came of them would be noise."""
    in_range = (scale >= 1 / LARGEST) & (scale <= LARGEST) & (np.abs(mean) <= LARGEST)
    for column in np.flatnonzero(~in_range):
        values = X[:, column] if weight is None else X[weight > 0, column]
        low, high = values.min(), values.max()
        size = max(abs(low), abs(high))
        if size == 0 or (high - low <= 1e-13 * size and mean[column] and size <= LARGEST):
            continue  # a constant is left out, whatever its size
        what = name if X.shape[1] == 1 and name != "X" else f"column {column} of {name}"
        raise ValueError(
            f"{what} goes from {low:.3g} to {high:.3g}: squares of such numbers are lost in "
            "double precision; give it in another unit"
        )


def make_rows(
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    scale: np.ndarray,
    intercept: bool,
) -> Rows:
    """Standardize, transpose and pad a table into chunks, one block at a time."""
    n, p = X.shape
    rows = bucket_size(n) if n <= CHUNK else CHUNK
    n_chunks = -(-n // rows)
    n_chunks = n_chunks if n_chunks <= 8 else bucket_size(n_chunks, smallest=8)
    used = p + intercept
    x = _aligned((n_chunks, width(used), rows))
    x[:, used:] = 0.0
    labels, weights = _aligned((n_chunks, rows)), _aligned((n_chunks, rows))
    total = float(n) if weight is None else float(weight.sum())
    for i in range(n_chunks):
        part = slice(i * rows, min((i + 1) * rows, n))
        size = max(part.stop - part.start, 0)
        x[i, :used, size:], labels[i, size:], weights[i, size:] = 0.0, 0.0, 0.0
        if intercept:
            x[i, 0, :size] = 1.0
        columns = x[i, intercept:used, :size]
        np.subtract(X[part].T, mean[:, None], out=columns)
        columns /= scale[:, None]
        labels[i, :size] = y[part]
        weights[i, :size] = (1.0 if weight is None else weight[part]) / total
    # Aligned memory is handed to JAX as it is, without a copy.
    return Rows(*(jax.device_put(array, may_alias=True) for array in (x, labels, weights)))


def width(used: int) -> int:
    """Round the number of columns up: to 4, 8, 12, ... 64, 80, ..."""
    return -(-used // 4) * 4 if used <= 64 else bucket_size(used)


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Allocate floats at an address that JAX can use in place."""
    size = int(np.prod(shape))
    raw = np.empty(size + 8, dtype=np.float64)
    skip = (-raw.ctypes.data % 64) // 8
    return raw[skip : skip + size].reshape(shape)
