"""What each family costs beside a Weibull: whole fits, goodness of fit, and a comparison.

Run `python -m tests.benchmarks.families` (a few minutes); `--peers` also times other packages,
where they are installed, and `--write` puts the tables into docs/benchmarks.md. Times are of the
processor, once all programs are compiled.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

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


#: What a family is called in lifelines, SurPyval and reliability; missing where they have none.
THEIRS = {
    "weibull": ("WeibullFitter", "Weibull", "Fit_Weibull_2P"),
    "exponential": ("ExponentialFitter", "Exponential", "Fit_Exponential_1P"),
    "exponentiated_weibull": (None, "ExpoWeibull", None),
    "gamma": (None, "Gamma", "Fit_Gamma_2P"),
    "generalized_gamma": ("GeneralizedGammaFitter", None, None),
    "gumbel": (None, "Gumbel", "Fit_Gumbel_2P"),
    "loglogistic": ("LogLogisticFitter", "LogLogistic", "Fit_Loglogistic_2P"),
    "logistic": (None, "Logistic", None),
    "lognormal": ("LogNormalFitter", "LogNormal", "Fit_Lognormal_2P"),
    "normal": (None, "Normal", "Fit_Normal_2P"),
}
PEERS = ("lifelines", "SurPyval", "reliability")


def peer(package: str, name: str, lives: np.ndarray, failed: np.ndarray) -> Callable[[], Any]:
    """A call that fits a family by another package; ImportError where it is not installed."""
    if package == "reliability":
        fitter = getattr(importlib.import_module("reliability.Fitters"), name)
        given = {"show_probability_plot": False, "print_results": False}
        return partial(fitter, failures=lives[failed], right_censored=lives[~failed], **given)
    found = getattr(importlib.import_module(package.lower()), name)
    if package == "SurPyval":
        return partial(found.fit, x=lives, c=(~failed).astype(int))
    return lambda: found().fit(lives, failed)


def timed(call: Callable[[], Any]) -> float:
    """Seconds of the processor for a call, what it prints and warns of left out."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.process_time()
        call()
        return time.process_time() - start


def peers_table() -> str:
    """What peers take for the same rows, once after a fit of few, over what survjax takes."""
    rows, few = seen(LARGE), seen(SMALL)
    ours = whole_fits(list(THEIRS))
    found = []
    for family, names in THEIRS.items():
        cells = []
        for package, name in zip(PEERS, names, strict=True):
            if name is None:
                cells.append("")
                continue
            try:
                timed(peer(package, name, *few))
                seconds = timed(peer(package, name, *rows))
                cells.append(f"{seconds:.2f} ({seconds / ours[family]:.0f})")
            except ImportError:
                cells.append("not installed")
            except Exception as error:  # a peer's failure is an answer
                cells.append(type(error).__name__)
        found.append([family, f"{1e3 * ours[family]:.0f}", *cells])
    head = ["family", "survjax, ms", *(f"{name}, s (over survjax)" for name in PEERS)]
    return f"The same {LARGE:,} rows by other packages, one fit each:\n\n{table(head, found)}"


@without_drafts()
def main() -> None:
    """Run and print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    parser.add_argument("--peers", action="store_true", help="also time installed peers")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore", FitWarning)
    text = (
        "## Families\n\n"
        f"`python -m tests.benchmarks.families`; {machine()}.\n\nTimes are of the processor, with "
        "all programs compiled. Rows are lives of a Weibull, some 30 % of them still running; "
        "refits are those of `goodness_of_fit`.\n\n"
    ) + families_table()
    if chosen.peers:
        text += "\n\n" + peers_table()
    print(text)
    if chosen.write:
        write_section("benchmarks.md", "families", text)


if __name__ == "__main__":
    main()
