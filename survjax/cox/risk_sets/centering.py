"""Covariates centered and scaled, so that units do not matter and sums keep their digits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from survjax._core.parallel import BLOCK, in_parts
from survjax.cox.risk_sets.sets import RiskSets
from survjax.nonparametric.rows import Floats, Ints

__all__ = ["centered", "standardize"]

#: Rows looked at to center and scale covariates, which need not be exact.
SAMPLE = 20_000
#: Share of their values drawn in at either end.
TRIMMED = 0.05
#: Columns whose spread within segments is less than this share of the whole get a scale of it.
NARROW = 0.1
#: A column with less spread than this within segments, next to its whole, is constant there.
CONSTANT = 1e-12


def _middle(sample: Floats) -> tuple[Floats, Floats]:
    """Mean and spread of each line, its outermost values drawn in.

    A wrong unit or a code for a missing value, far outside the others, must not make them all
    alike: the iteration would take them for no information.
    """
    out = int(TRIMMED * sample.shape[1])
    marks = np.partition(sample, (out, sample.shape[1] - 1 - out), axis=1)
    low, high = marks[:, out, None], marks[:, sample.shape[1] - 1 - out, None]
    inner = np.clip(sample, low, high)
    alike = (low == high)[:, 0]
    inner[alike] = sample[alike]
    return inner.mean(axis=1), inner.std(axis=1)


def standardize(x: Floats, order: Ints) -> tuple[Floats, Floats, Floats]:
    """Copy covariates in sorted order, centered and scaled so that units do not matter."""
    sample = np.ascontiguousarray(x[:: max(x.shape[0] // SAMPLE, 1)].T, dtype=np.float64)
    center, scale = _middle(sample)
    flat = scale <= 1e-12 * np.abs(center)
    if np.any(flat):
        # Constant in the sample: rare values elsewhere must not be blown up.
        rest = x[:, flat].astype(np.float64)
        center[flat], scale[flat] = rest.mean(axis=0), rest.std(axis=0)
        flat = scale <= 1e-12 * np.abs(center)
    scale[flat] = 1.0
    table = np.empty((x.shape[1], order.size))

    def gather(begin: int, end: int) -> None:
        for start in range(begin, end, BLOCK):
            rows = order[start : min(start + BLOCK, end)]
            table[:, start : start + rows.size] = ((x[rows] - center) / scale).T

    in_parts(gather, order.size)
    return table, center, scale


def centered(sets: RiskSets, *, rescale: bool = True) -> RiskSets:
    """Center the covariates of each segment, and scale them to their spread within segments."""
    edges = np.append(sets.start[sets.first], sets.order.size)
    mean = np.add.reduceat(sets.x, edges[:-1], axis=1) / np.diff(edges)
    x = sets.x - np.repeat(mean, np.diff(edges), axis=1)
    origin = sets.origin + mean
    if not rescale:
        return replace(sets, x=x, origin=origin, finer=[])
    spread = _middle(np.ascontiguousarray(x[:, :: max(x.shape[1] // SAMPLE, 1)]))[1]
    narrow = (spread > CONSTANT) & (spread < NARROW)
    # One row a segment, or one value in most of them, says nothing of the spread.
    factor = np.where(narrow, spread, 1.0)[:, None]
    if narrow.any():
        x, origin = x / factor, origin / factor
    return replace(sets, x=x, origin=origin, scale=sets.scale * factor[:, 0], finer=[])
