"""Runs of many groups: what is called side by side, and what may wait for what."""

import dataclasses
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest

from survjax import fit_groups
from survjax._core.parallel import n_threads
from survjax._core.precision import double_precision
from survjax.fitting.groups import newton
from survjax.fitting.groups.mixtures import queue, runs, search
from survjax.fitting.groups.mixtures.rows import SortedRows
from survjax.fitting.settings import Settings
from survjax.likelihood.weibulls import weibull_template
from tests.benchmarks.groups import fleet, framed, two_kinds

NAMED = {"duration": "age", "event": "failed"}
MANY = """
from survjax import WeibullMixture, fit_groups
from tests.benchmarks.groups import fleet, framed, two_kinds
for _ in range(3):
    for size in (20, 50, 90):
        fit_groups(framed(*fleet(4000, size)), "group", duration="age", event="failed")
    found = fit_groups(
        framed(*two_kinds(600, 60)), "group", duration="age", event="failed",
        model=WeibullMixture(2),
    )
print(found.table["converged"].sum())
"""


class Counted:
    """A program that counts how many of its calls are under way."""

    def __init__(self, of):
        self.of, self.now, self.most, self.lock = of, 0, 0, threading.Lock()

    def __call__(self, *args, **kwargs):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.01)
        found = self.of(*args, **kwargs)
        with self.lock:
            self.now -= 1
        return found


def test_calls_with_eigenvalues_leave_one_thread_of_the_pool_free(monkeypatch):
    counted = Counted(newton.maximize_groups)
    monkeypatch.setattr(newton, "maximize_groups", counted)
    monkeypatch.setattr(newton, "n_threads", lambda: 8)
    monkeypatch.setattr(newton, "ROWS", 128)
    fit_groups(framed(*fleet(60, 8)), "group", **NAMED)
    assert 1 <= counted.most <= max(n_threads() - 1, 1)


@double_precision
def test_runs_in_32_bits_call_no_lapack_so_that_any_number_may_run_at_a_time():
    template, (time_, failed) = weibull_template(2), two_kinds(2, 12)
    rows = SortedRows(np.log(time_), failed * 1.0, np.ones_like(time_), np.ones_like(time_), 12, 12)
    limits = Settings().limits(2, 12.0)
    texts = {}
    for manner in (search.APPROACH, search.ARRIVAL):
        each = dataclasses.replace(limits, log_weight=np.full(2, -9.0))
        constant = runs._constant(template, rows.observations, each, 16, manner)
        jobs = runs._queue(np.zeros((2, 5), manner.bits), np.arange(2), 0, 16)
        lowered = jax.jit(queue.run_queue.__wrapped__, static_argnames="spectral").lower(
            *jobs, *constant, spectral=manner.spectral
        )
        texts[manner.bits] = lowered.as_text()
    assert "lapack" not in texts[np.float32]
    # Where it is called, the test above says how often at a time.
    assert "lapack" in texts[np.float64]


@pytest.mark.slow
def test_many_runs_of_many_groups_come_to_an_end():
    found = subprocess.run(
        [sys.executable, "-c", MANY], capture_output=True, text=True, timeout=1200, check=True
    )
    assert int(found.stdout) > 500


def test_plain_groups_begin_one_step_from_their_maximum():
    fits = fit_groups(framed(*fleet(200, 50)), "group", **NAMED)
    ends = fits._answers.own.ends
    assert ends.n_iter.max() == 1 and ends.decrement.max() < 1e-9
