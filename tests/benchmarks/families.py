"""What each family costs beside a Weibull: whole fits, goodness of fit, and a comparison.

Run `python -m tests.benchmarks.families` (a few minutes); `--write` puts the table into
docs/benchmarks.md. Times are of the processor, once all programs are compiled.
"""

from __future__ import annotations

import argparse
import time
import warnings
from functools import partial

import numpy as np

from survjax import LifetimeModel, compare
from survjax._core.programs import without_drafts
from survjax.estimators.messages import FitWarning
from survjax.lifetimes import families
from tests.benchmarks.measure import in_turn, machine, table, write_section

LARGE, SMALL, REPLICATES, REPEATS = 100_000, 500, 1000, 7


def seen(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Lives of a Weibull, about 30 % still running at times of their own."""
    rng = np.random.default_rng(seed)
    lives, limits = 10.0 * rng.weibull(1.7, n), 16.0 * rng.weibull(1.7, n)
    return np.minimum(lives, limits), lives <= limits


def whole_fits(names: list[str]) -> dict[str, float]:
    """Seconds of the processor that a fit of each family to many rows takes."""
    rows = seen(LARGE)
    runs = {name: partial(LifetimeModel(name).fit, *rows) for name in names}
    return in_turn(runs, REPEATS, time.process_time)


def refits(name: str, rows: tuple[np.ndarray, ...]) -> float:
    """Seconds of the processor for the goodness of fit of one family."""
    model = LifetimeModel(name).fit(*rows)
    test = partial(model.goodness_of_fit, REPLICATES, 1)
    return in_turn({name: test}, 1, time.process_time)[name]


def families_table() -> str:
    """The table, and a line on the comparison."""
    names = ["weibull", *(name for name in families() if name != "weibull")]
    fits = whole_fits(names)
    some, complete = seen(SMALL), seen(SMALL)[:1]
    rows = [
        [
            name,
            f"{1e3 * fits[name]:.0f}",
            f"{fits[name] / fits['weibull']:.1f}",
            f"{refits(name, complete):.2f}",
            f"{refits(name, some):.2f}",
        ]
        for name in names
    ]
    twelve = [name for name in names if name != "generalized_gamma"]
    both = partial(compare, twelve, *some)
    compared = in_turn({"compare": both}, REPEATS, time.process_time)["compare"]
    head = [
        "family",
        f"fit of {LARGE:,} rows, ms",
        "over Weibull",
        f"{REPLICATES:,} refits of {SMALL} failures, s",
        "of as many, 30 % running, s",
    ]
    line = (
        f"`compare` of {len(twelve)} families on {SMALL} rows takes {compared:.2f} s after the "
        "first call."
    )
    return f"{table(head, rows)}\n\n{line}"


@without_drafts()
def main() -> None:
    """Run and print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    warnings.simplefilter("ignore", FitWarning)
    text = (
        "## Families\n\n"
        f"`python -m tests.benchmarks.families`; {machine()}.\n\nTimes are of the processor, with "
        "all programs compiled. Rows are lives of a Weibull, some 30 % of them still running; "
        "refits are those of `goodness_of_fit`.\n\n"
    ) + families_table()
    print(text)
    if parser.parse_args().write:
        write_section("benchmarks.md", "families", text)


if __name__ == "__main__":
    main()
