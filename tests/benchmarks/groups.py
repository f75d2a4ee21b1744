"""Processor time of many fits at once, beside a NumPy loop and another package's.

Run `python -m tests.benchmarks.groups` (some minutes); `--peer PYTHON` names an interpreter that
has nextstat; `--mixtures N` and `--units N` set how much is asked for. All sides fit the same
10,000 groups of 50 units, in turn, in one run; what is compiled is compiled before. Counted is
processor time, user and system, of all threads: the median of several rounds.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from survjax import WeibullMixture, fit_groups

ROUNDS = 5
PEER = """
import sys, time
import nextstat, numpy as np
saved = np.load(sys.argv[1])
times, failed = saved["times"], saved["failed"]
for _ in range(int(sys.argv[2]) + 1):
    begin = time.process_time()
    models = [
        nextstat.WeibullSurvivalModel(t, f)
        for t, f in zip(times.tolist(), failed.tolist(), strict=True)
    ]
    made = time.process_time()
    found = nextstat.fit_batch(models)
    print(time.process_time() - begin, time.process_time() - made)
print(found[0].parameters, file=sys.stderr)
"""


def fleet(n_groups: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Lives (n_groups, size) that are seen for 45 units of time, and which failed."""
    rng = np.random.default_rng(0)
    scale = 40.0 * np.exp(0.3 * rng.normal(size=(n_groups, 1)))
    life = scale * rng.weibull(2.0, (n_groups, size))
    return np.minimum(life, 45.0), life <= 45.0


def two_kinds(n_groups: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Lives of which a third are short."""
    rng = np.random.default_rng(1)
    few = size // 3
    life = np.concatenate(
        [5.0 * rng.weibull(0.8, (n_groups, few)), 40.0 * rng.weibull(3.0, (n_groups, size - few))],
        axis=1,
    )
    life *= np.exp(0.3 * rng.normal(size=(n_groups, 1)))
    return np.minimum(life, 50.0), life <= 50.0


def framed(times: np.ndarray, failed: np.ndarray) -> pd.DataFrame:
    """One row a unit."""
    group = np.repeat(np.arange(len(times)), times.shape[1])
    return pd.DataFrame({"group": group, "age": times.ravel(), "failed": failed.ravel()})


def newton_by_hand(frame: pd.DataFrame, n_groups: int) -> pd.DataFrame:
    """Weibulls of all groups with standard errors, written in NumPy for this case.

    It knows that groups are of one size and lie one after the other, and checks nothing: Newton's
    method on the equation of the shape, six steps for all, then the information of both parameters.
    """
    times = frame["age"].to_numpy().reshape(n_groups, -1)
    failed = frame["failed"].to_numpy().reshape(n_groups, -1)
    y = np.log(times)
    mean = y.mean(axis=1)
    y -= mean[:, None]
    n_failed = failed.sum(axis=1)
    target = np.where(failed, y, 0.0).sum(axis=1) / n_failed
    shape = 1.28 / y.std(axis=1)
    for _ in range(6):
        power = np.exp(shape[:, None] * y)
        total = power.sum(axis=1)
        power *= y
        first = power.sum(axis=1) / total
        power *= y
        second = power.sum(axis=1) / total
        step = (first - 1.0 / shape - target) / (second - first**2 + 1.0 / shape**2)
        shape = np.maximum(shape - step, 0.5 * shape)
    # The last sums, at a shape that the last step left where it was.
    log_scale = np.log(total / n_failed) / shape
    once = shape * (first - log_scale)
    twice = shape**2 * (second - 2.0 * log_scale * first + log_scale**2)
    of_scale, both = shape**2 * n_failed, -shape * n_failed * once
    of_shape = n_failed * (once + twice - shape * (target - log_scale))
    determinant = of_scale * of_shape - both**2
    height = n_failed * (np.log(shape) + shape * (target - log_scale) - 1.0)
    return pd.DataFrame(
        {
            "log_scale": log_scale + mean,
            "log_shape": np.log(shape),
            "error_of_scale": np.sqrt(of_shape / determinant),
            "error_of_shape": np.sqrt(of_scale / determinant),
            "log_likelihood": height - np.where(failed, y + mean[:, None], 0.0).sum(axis=1),
        }
    )


def seconds(work: Callable[[], Any]) -> float:
    """Processor time of one call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def in_turn(sides: dict[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median of each side's processor time; the first call of each is not counted."""
    for work in sides.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            times[name].append(seconds(work))
    return {name: statistics.median(values) for name, values in times.items()}


def peer(python: str, times: np.ndarray, failed: np.ndarray) -> dict[str, float]:
    """Medians of the other package's processor time, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "groups.npz")
        np.savez(path, times=times, failed=failed)
        run = [python, "-c", PEER, path, str(ROUNDS)]
        found = subprocess.run(run, capture_output=True, text=True, check=True)
    both = np.array(found.stdout.split(), float).reshape(-1, 2)[1:]
    whole, fitting = np.median(both, axis=0)
    return {"nextstat, models and fit_batch": whole, "nextstat.fit_batch alone": fitting}


def lifetimes(arguments: argparse.Namespace) -> None:
    """One Weibull in each of 10,000 groups, their table, and lives of units of all of them."""
    times, failed = fleet(10_000, 50)
    frame = framed(times, failed)
    named = {"duration": "age", "event": "failed"}
    found = in_turn(
        {
            "fit_groups": lambda: fit_groups(frame, "group", **named),
            "by hand in NumPy": lambda: newton_by_hand(frame, len(times)),
        }
    )
    if arguments.peer:
        found |= peer(arguments.peer, times, failed)
    for name, value in found.items():
        print(f"10,000 groups of 50, one Weibull: {name} {value:.3f} s", flush=True)
    fits = fit_groups(frame, "group", **named)
    fits.summary(0.8)
    print(f"their table {seconds(lambda: fits.summary(0.9)):.3f} s", flush=True)
    rng = np.random.default_rng(2)
    units = pd.DataFrame({"group": rng.integers(0, 10_000, arguments.units)})
    units["age"] = rng.uniform(0.0, 60.0, arguments.units)
    fits.predict_rul(units[:100_000])
    begin = time.perf_counter()
    spent = seconds(lambda: fits.predict_rul(units))
    wall = time.perf_counter() - begin
    print(
        f"lives of {arguments.units:,} units: {spent:.2f} s, {wall:.2f} s of the clock", flush=True
    )


def mixtures(arguments: argparse.Namespace) -> None:
    """Two Weibulls in each of many groups, and in some of them one after the other."""
    named = {"duration": "age", "event": "failed"}
    two = framed(*two_kinds(arguments.mixtures, 200))
    # As many as have a size of their own, so that nothing is left to compile.
    fit_groups(two[: 200 * 1200], "group", **named, model=WeibullMixture(2)).summary(0.8)
    begin = time.perf_counter()
    spent = seconds(lambda: fit_groups(two, "group", **named, model=WeibullMixture(2)))
    wall = time.perf_counter() - begin
    name = f"two components, {arguments.mixtures:,} groups of 200"
    print(f"{name}: {spent:.1f} s, {wall:.1f} s of the clock")
    own = [part for _, part in two[: 200 * 60].groupby("group")]

    def alone(part: pd.DataFrame) -> None:
        WeibullMixture(2).fit(part["age"], part["failed"])

    for part in own[:10]:
        alone(part)
    spent = statistics.median(seconds(lambda part=part: alone(part)) for part in own[10:])
    print(f"one of them by itself: {spent:.4f} s")


def bootstraps(n_groups: int, n_replicates: int = 200) -> None:
    """Replicates of two Weibulls in all of some groups, and of three fits one after the other."""
    frame = framed(*two_kinds(n_groups, 200))
    fits = fit_groups(frame, "group", duration="age", event="failed", model=WeibullMixture(2))
    models = [fits.model(key) for key in fits.keys[:4]]
    # Compiled before.
    fits.bootstrap(20)
    models[0].bootstrap(n_replicates)
    together = seconds(lambda: fits.bootstrap(n_replicates)) / n_groups
    alone = statistics.median(
        seconds(lambda m=model: m.bootstrap(n_replicates)) for model in models[1:]
    )
    print(
        f"{n_replicates} replicates of two components in each of {n_groups} groups of 200: "
        f"{together:.3f} s a group, by itself {alone:.3f} s"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="an interpreter that has nextstat")
    parser.add_argument("--only-mixtures", action="store_true", help="leave the rest out")
    parser.add_argument("--mixtures", type=int, default=500, help="groups for two components")
    parser.add_argument("--units", type=int, default=10**6, help="units whose lives are predicted")
    parser.add_argument("--bootstrap", type=int, help="only replicates of so many groups")
    arguments = parser.parse_args()
    if arguments.bootstrap:
        bootstraps(arguments.bootstrap)
        return
    if not arguments.only_mixtures:
        lifetimes(arguments)
    mixtures(arguments)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"memory at most {memory:.2f} GiB")


if __name__ == "__main__":
    main()
