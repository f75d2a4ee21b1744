"""What a draft spares in compiling, and what its runs cost: a fit's program and a curve's.

Run `python -m tests.benchmarks.drafts` (half a minute); `--write` puts the table into
docs/benchmarks.md. Each program is compiled and run both ways, in processor time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import jax
import numpy as np

from survjax import WeibullMixture
from survjax._core.precision import double_precision
from survjax._core.programs import executables
from survjax.data.observations import Observations
from survjax.data.truncation_rows import with_truncation_rows
from survjax.datasets import load_pumps
from survjax.fitting.corrections import Correction
from survjax.fitting.local_maxima import Limits, maximize_from
from survjax.likelihood.rows import padded
from survjax.prediction.points import _log_hazards
from tests.benchmarks.measure import machine, table, write_section

RUNS = 30


def both_ways(name: str, program: Any, *arguments: Any) -> list[str]:
    """One row of the table: seconds to compile and milliseconds to run, as a draft and well."""
    cells = []
    for draft in (True, False):
        compiling, running = [], []
        for _ in range(3):
            jax.clear_caches()
            lowered = program.lower(*arguments)
            begin = time.process_time()
            compiled = executables.compile_quickly(lowered, draft)
            compiling.append(time.process_time() - begin)
        for _ in range(RUNS):
            begin = time.perf_counter()
            jax.block_until_ready(compiled(*arguments))
            running.append(time.perf_counter() - begin)
        cells += [statistics.median(compiling), 1e3 * statistics.median(running)]
    return [name, *(f"{cell:.2f}" for cell in cells)]


@double_precision
def drafts() -> str:
    """The table."""
    pumps = load_pumps()
    rows = Observations.from_durations(pumps["duration"], pumps["failed"], entry=pumps["entry"])
    model = WeibullMixture(2).fit(rows)
    x = model.parameters_
    starts = x + 0.3 * np.random.default_rng(0).normal(size=(4, x.size))
    few = padded(with_truncation_rows(rows))
    limits = Limits.of(1e-9, 100)
    fit = both_ways(
        "fit of two Weibulls", maximize_from, model.lifetime_, starts, few, limits,
        Correction.none(x.size),
    )  # fmt: skip
    points = np.linspace(0.1, 9.0, 256), np.zeros(256)
    curve = both_ways("log hazards with slopes", _log_hazards, model.lifetime_, *points)
    head = ["program", "draft: compile, s", "run, ms", "well: compile, s", "run, ms"]
    return table(head, [fit, curve])


def main() -> None:
    """Run and print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    text = f"## Drafts\n\n`python -m tests.benchmarks.drafts`; {machine()}.\n\n" + drafts()
    print(text)
    if parser.parse_args().write:
        write_section("benchmarks.md", "drafts", text)


if __name__ == "__main__":
    main()
