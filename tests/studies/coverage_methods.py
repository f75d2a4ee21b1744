"""The three kinds of bounds side by side: delta, profile and bootstrap.

    python -m tests.studies.coverage_methods                # 300 fleets: some ten minutes
    python -m tests.studies.coverage_methods --write FILE   # the tables as Markdown

Parameters of the components and a few curves of four of the fleets of `tests.studies.coverage`.
Bootstrap bounds come from 200 replicates.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from tests.studies.coverage import LEVEL, SCENARIOS, SEED, Scenario, made_with, truths

NAMES = (
    "one Weibull, n = 30",
    "two, separated, n = 200",
    "two, overlapping, n = 400",
    "two, most still running, n = 400",
)
METHODS = ("delta", "profile", "bootstrap")
CURVES = ("S at 5 %", "B10", "mean RUL at 50 %")
REPLICATES = 200


def columns(scenario: Scenario) -> list[str]:
    """What is bounded: the free parameters, then some curves."""
    k = len(scenario.weights)
    kinds = ("scale", "shape") if k == 1 else ("weight", "scale", "shape")
    return [*(f"{kind} {i + 1}" for kind in kinds for i in range(k)), *CURVES]


def hits(scenario: Scenario, truth: dict[str, np.ndarray], number: int) -> np.ndarray | None:
    """Which bounds hold the truth (methods, columns); None where the fit gives none."""
    from survjax import WeibullMixture

    fleet = scenario.observe(
        np.random.default_rng([SEED, SCENARIOS.index(scenario), number]), scenario
    )
    model = WeibullMixture(len(scenario.weights), resolution=scenario.resolution)
    model.fit(fleet.durations, fleet.events, entry=fleet.entry)
    if not model.converged_:
        return None
    model.bootstrap(REPLICATES, random_state=number)
    found = []
    for method in METHODS:
        pairs = [
            (*model.confidence_interval(name, level=LEVEL, method=method), np.array(true))
            for name, true in (
                ("weights", scenario.weights),
                ("scales", scenario.scales),
                ("shapes", scenario.shapes),
            )
            if name != "weights" or len(true) > 1
        ]
        oldest = truth["ages"][1:]
        pairs += [
            (*model.confidence_interval("survival", truth["times"][:1], LEVEL, method),
             truth["survival"][:1]),
            (*model.confidence_interval("quantile", [0.1], LEVEL, method), truth["b10"]),
            (*model.confidence_interval("mean", None, LEVEL, method, ages=oldest),
             truth["mean"][1:]),
        ]  # fmt: skip
        found.append(np.concatenate([(low <= t) & (t <= high) for low, high, t in pairs]))
    return np.stack(found)


Found = dict[tuple[str, int], tuple[str, float]]


def run(n_fleets: int, results: Path | None) -> Found:
    """Hits as digits, and seconds, of each scenario and fleet; those in the file are taken."""
    found: Found = {}
    if results and results.exists():
        for name, number, digits, seconds in csv.reader(results.open(encoding="utf-8")):
            found[name, int(number)] = digits, float(seconds)
    truth = {s.name: (s, truths(s)) for s in SCENARIOS if s.name in NAMES}
    with open(results or os.devnull, "a", newline="", encoding="utf-8") as file:
        for number in range(n_fleets):
            for name in (name for name in NAMES if (name, number) not in found):
                start = time.process_time()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    bounds = hits(*truth[name], number)
                digits = "" if bounds is None else "".join(map(str, bounds.ravel().astype(int)))
                found[name, number] = digits, time.process_time() - start
                csv.writer(file).writerow([name, number, digits, found[name, number][1]])
                file.flush()
    return found


def shares(found: Found, scenario: Scenario, n_fleets: int) -> tuple[np.ndarray, int]:
    """Shares of hits (methods, columns), fits without a maximum counted as misses."""
    given = [found[scenario.name, number][0] for number in range(n_fleets)]
    total = np.zeros(len(METHODS) * len(columns(scenario)))
    for digits in filter(None, given):
        total += np.array(list(digits), float)
    return total.reshape(len(METHODS), -1) / n_fleets, given.count("")


def main(arguments: list[str] | None = None) -> int:
    """Run the study and print, or write, its tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fleets", type=int, default=300)
    parser.add_argument("--results", type=Path, help="a file to append to and go on from")
    parser.add_argument("--write", type=Path, help="a Markdown file")
    chosen = parser.parse_args(arguments)
    found, lines = run(chosen.fleets, chosen.results), []
    for scenario in (s for s in SCENARIOS if s.name in NAMES):
        table, failed = shares(found, scenario, chosen.fleets)
        head = ["bounds", *columns(scenario)]
        lines += [f"## {scenario.name[0].upper()}{scenario.name[1:]}", ""]
        lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        for method, row in zip(METHODS, table, strict=True):
            lines.append(f"| {method} | {' | '.join(f'{100 * share:.1f}' for share in row)} |")
        lines += ["", f"Fits without a maximum: {failed}.", ""]
        print("\n".join(lines[-8:]), flush=True)
    text = "\n".join(
        [
            "# Delta, profile and bootstrap",
            "",
            "Written by `python -m tests.studies.coverage_methods --write "
            "docs/studies/coverage_methods.md`; do not edit.",
            "",
            f"Share (%) of {chosen.fleets} simulated fleets whose 95 % bounds hold the truth; its "
            f"standard error is about {100 * np.sqrt(0.05 * 0.95 / chosen.fleets):.1f}. "
            "Components are in the order of their medians; bootstrap bounds (rows; bias-corrected "
            "and accelerated where the likelihood has one maximum, plain percentiles where it has "
            f"several) come from {REPLICATES} replicates.",
            "",
            *lines,
            made_with(sum(found[n, i][1] for n in NAMES for i in range(chosen.fleets)) / 60),
            "",
        ]
    )
    if chosen.write:
        chosen.write.parent.mkdir(parents=True, exist_ok=True)
        chosen.write.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
