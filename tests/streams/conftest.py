"""Fleets in batches, and streams that are too long for the memory that they are given."""

import numpy as np
import pyarrow as pa
import pytest

from survjax.fitting.streams import interpolated, ties


@pytest.fixture
def little_memory(monkeypatch):
    """So little that twenty thousand different rows are too many."""
    monkeypatch.setattr(ties, "MOST_ROWS", 3000)


@pytest.fixture
def read_again(monkeypatch):
    """No sums of the first pass are exact enough: each look at all rows is a pass."""
    monkeypatch.setattr(interpolated, "PLACE", 0.0)


@pytest.fixture(scope="session")
def fleet():
    """Two kinds of units: durations, whether failed, entries and whole weights."""
    rng = np.random.default_rng(0)
    n = 20_000
    life = np.where(rng.random(n) < 0.4, 5 * rng.weibull(0.8, n), 40 * rng.weibull(3.0, n))
    end = rng.uniform(10.0, 60.0, n)
    age = np.minimum(life, end)
    entry = np.where(rng.random(n) < 0.5, 0.5 * rng.random(n) * age, 0.0)
    return {"age": age, "failed": life <= end, "entry": entry, "n": rng.integers(0, 4, n)}


@pytest.fixture(scope="session")
def batches(fleet):
    """The fleet in batches of a thousand."""
    return cut(fleet, 1000)


def cut(columns, size):
    """Record batches of so many rows."""
    n = len(columns["age"])
    return [
        pa.record_batch({name: c[i : i + size] for name, c in columns.items()})
        for i in range(0, n, size)
    ]
