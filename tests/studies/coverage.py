"""Do 95 % bounds hold the truth 95 times in a hundred? Simulated fleets, through the public API.

    python -m tests.studies.coverage                  # 1,000 fleets of each scenario: minutes
    python -m tests.studies.coverage --fleets 50      # a look
    python -m tests.studies.coverage --write FILE.md  # the table as Markdown
    python -m tests.studies.coverage --results FILE   # goes on after the last scenario it ended

A fit that fails, or finds no interior maximum, counts as a miss in every column. Each fleet also
draws the life that a running unit will have, for the prediction intervals.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

SEED = 20260101
LEVEL = 0.95
#: Shares of the fleet that have failed at the times and ages where bounds are asked for.
TIMES, AGES = (0.05, 0.25, 0.5), (0.1, 0.5)
COLUMNS = (
    *(f"S at {100 * q:g} %" for q in TIMES),
    "B10",
    *(f"mean RUL at {100 * q:g} %" for q in AGES),
    *(f"median RUL at {100 * q:g} %" for q in AGES),
    *(f"realized RUL at {100 * q:g} %" for q in AGES),
)


@dataclasses.dataclass(frozen=True)
class Fleet:
    """One simulated register, as `fit` takes it."""

    durations: np.ndarray
    events: np.ndarray
    entry: np.ndarray | None = None
    sample_weight: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A truth, a way to observe it, and how it is fitted."""

    name: str
    weights: tuple[float, ...]
    shapes: tuple[float, ...]
    scales: tuple[float, ...]
    observe: Callable[[np.random.Generator, Scenario], Fleet]
    resolution: float | None = None
    #: Whether some columns ask for what no data set of this kind can tell: shown, not judged.
    beyond: bool = False

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Lives from birth."""
        which = rng.choice(len(self.weights), size=n, p=self.weights)
        return np.array(self.scales)[which] * rng.exponential(size=n) ** (
            1.0 / np.array(self.shapes)[which]
        )


def censored(n: int, low: float, high: float) -> Callable[..., Fleet]:
    """Units censored at ages drawn evenly between two."""

    def observe(rng: np.random.Generator, scenario: Scenario) -> Fleet:
        life, end = scenario.sample(rng, n), rng.uniform(low, high, n)
        return Fleet(np.minimum(life, end), life <= end)

    return observe


def late(n: int, latest: float, low: float, high: float) -> Callable[..., Fleet]:
    """Half the units come under observation late, if they live to see it."""

    def observe(rng: np.random.Generator, scenario: Scenario) -> Fleet:
        entry = np.where(np.arange(n) % 2 == 0, 0.0, rng.uniform(0.0, latest, n))
        life = scenario.sample(rng, n)
        while (early := life <= entry).any():
            life[early] = scenario.sample(rng, int(early.sum()))
        end = entry + rng.uniform(low, high, n)
        return Fleet(np.minimum(life, end), life <= end, entry=entry)

    return observe


def rounded(n: int, low: float, high: float, counts: bool) -> Callable[..., Fleet]:
    """Failures recorded at the end of their period; equal rows perhaps as counts."""

    def observe(rng: np.random.Generator, scenario: Scenario) -> Fleet:
        width = scenario.resolution
        life = scenario.sample(rng, n)
        end = np.ceil(rng.uniform(low, high, n) / width) * width
        events = life <= end
        times = np.where(events, np.ceil(life / width) * width, end)
        if not counts:
            return Fleet(times, events)
        rows, weight = np.unique(np.stack([times, events]), axis=1, return_counts=True)
        return Fleet(rows[0], rows[1] > 0, sample_weight=weight)

    return observe


TWO = {"weights": (0.4, 0.6), "shapes": (1.2, 3.5), "scales": (200.0, 1000.0)}
SCENARIOS = (
    Scenario("one Weibull, n = 100", (1.0,), (2.0,), (1000.0,), censored(100, 500, 2000)),
    Scenario("one Weibull, n = 30", (1.0,), (1.5,), (1000.0,), censored(30, 1000, 3000)),
    Scenario("one, 3/4 still running, n = 150", (1.0,), (2.0,), (1000.0,), censored(150, 200, 800)),
    Scenario("two, separated, n = 200", **TWO, observe=censored(200, 500, 1800)),
    Scenario(
        "two, overlapping, n = 400",
        (0.5, 0.5),
        (1.0, 2.0),
        (300.0, 900.0),
        censored(400, 500, 2000),
    ),
    Scenario("two, half still running, n = 400", **TWO, observe=censored(400, 200, 1200)),
    Scenario("two, late entry, n = 300", **TWO, observe=late(300, 600, 300, 1200)),
    Scenario(
        "two, rounded, n = 200", **TWO, observe=rounded(200, 500, 1800, False), resolution=50.0
    ),
    Scenario(
        "two, rounded counts, n = 1000",
        **TWO,
        observe=rounded(1000, 500, 1800, True),
        resolution=30.0,
    ),
    Scenario(
        "two, most still running, n = 400", **TWO, observe=censored(400, 100, 900), beyond=True
    ),
)


def truths(scenario: Scenario) -> dict[str, np.ndarray]:
    """True times, ages and values of every column, by survjax's own curves of the truth."""
    from survjax import Mixture, Weibull
    from survjax._core.precision import double_precision

    @double_precision
    def compute() -> dict[str, np.ndarray]:
        truth = Mixture.of(
            np.array(scenario.weights),
            Weibull.of(np.array(scenario.scales), np.array(scenario.shapes)),
        )
        times, ages = (np.asarray(truth.quantile(np.array(q))) for q in (TIMES, AGES))
        rest = truth.given(ages)
        return {
            "times": times,
            "ages": ages,
            "survival": np.asarray(truth.survival(times)),
            "b10": np.asarray(truth.quantile(np.array([0.1]))),
            "mean": np.asarray(rest.mean()),
            "median": np.asarray(rest.quantile(np.array(0.5))),
        }

    return compute()


def remaining(scenario: Scenario, rng: np.random.Generator, age: float) -> float:
    """The remaining life that one unit of this age will have."""
    while True:
        life = scenario.sample(rng, 256)
        if (alive := life > age).any():
            return float(life[np.argmax(alive)] - age)


def hits(scenario: Scenario, truth: dict[str, np.ndarray], number: int) -> np.ndarray | None:
    """Which bounds hold the truth for one fleet; None where the fit gives none."""
    from survjax import WeibullMixture

    rng = np.random.default_rng([SEED, SCENARIOS.index(scenario), number])
    fleet = scenario.observe(rng, scenario)
    lives = [remaining(scenario, rng, age) for age in truth["ages"]]
    model = WeibullMixture(len(scenario.weights), resolution=scenario.resolution)
    try:
        model.fit(
            fleet.durations, fleet.events, entry=fleet.entry, sample_weight=fleet.sample_weight
        )
    except ValueError:
        return None
    if not model.converged_:
        return None
    ages = truth["ages"]
    realized = model.predict_interval(ages, level=LEVEL)
    pairs = [
        (*model.confidence_interval("survival", truth["times"], LEVEL), truth["survival"]),
        (*model.confidence_interval("quantile", [0.1], LEVEL), truth["b10"]),
        (*model.confidence_interval("mean", level=LEVEL, ages=ages), truth["mean"]),
        (*model.confidence_interval("quantile", 0.5, LEVEL, ages=ages), truth["median"]),
        (realized["lower"].to_numpy(), realized["upper"].to_numpy(), np.array(lives)),
    ]
    return np.concatenate([(low <= true) & (true <= high) for low, high, true in pairs])


@dataclasses.dataclass(frozen=True)
class Result:
    """Hits of one scenario."""

    scenario: Scenario
    n_fleets: int
    n_failed: int
    hits: np.ndarray
    seconds: float


def study(scenario: Scenario, n_fleets: int) -> Result:
    """Run one scenario."""
    truth, total, failed, start = (
        truths(scenario),
        np.zeros(len(COLUMNS), int),
        0,
        time.process_time(),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(n_fleets):
            found = hits(scenario, truth, number)
            failed += found is None
            total += 0 if found is None else found
    return Result(scenario, n_fleets, failed, total, time.process_time() - start)


def studied(which: int, n_fleets: int, results: Path | None) -> Result:
    """One scenario, taken from the file if it is there, and else added to it."""
    lines = results.read_text(encoding="utf-8").splitlines() if results and results.exists() else []
    for name, fleets, failed, seconds, *counts in (line.split(";") for line in lines):
        if name == SCENARIOS[which].name and int(fleets) == n_fleets:
            known = np.array(counts, int)
            return Result(SCENARIOS[which], n_fleets, int(failed), known, float(seconds))
    result = study(SCENARIOS[which], n_fleets)
    if results:
        numbers = (n_fleets, result.n_failed, f"{result.seconds:.0f}", *result.hits)
        with results.open("a", encoding="utf-8") as file:
            file.write(";".join(map(str, (result.scenario.name, *numbers))) + "\n")
    return result


def verdict(results: list[Result]) -> tuple[list[str], float]:
    """Cells whose 99.9 % binomial interval misses [93 %, 97 %], and the pooled share of hits.

    Scenarios that ask beyond their data are not judged.
    """
    wrong = []
    results = [r for r in results if not r.scenario.beyond] or results
    for result in results:
        for column, count in zip(COLUMNS, result.hits, strict=True):
            interval = binomtest(int(count), result.n_fleets).proportion_ci(0.999, "wilson")
            if interval.high < 0.93 or interval.low > 0.97:
                share = 100 * count / result.n_fleets
                wrong.append(f"{result.scenario.name}: {column} {share:.1f} %")
    pooled = sum(r.hits.sum() for r in results) / sum(r.n_fleets * len(COLUMNS) for r in results)
    return wrong, float(pooled)


def made_with(minutes: float) -> str:
    """Seed, versions and machine, for the foot of a table."""
    import jax

    import survjax

    return (
        f"Seed {SEED}; survjax {survjax.__version__}, JAX {jax.__version__}, NumPy "
        f"{np.__version__}, Python {platform.python_version()}, {platform.machine()}; "
        f"{minutes:.0f} minutes of one processor. The truths and the ways to observe them are "
        "in `tests/studies/coverage.py`."
    )


def reason(scenario: Scenario) -> str:
    """Why a scenario asks beyond its data, in numbers of its fleets."""
    truth = truths(scenario)
    age, end = truth["ages"][1], truth["ages"][1] + truth["median"][1]
    counts = []
    for number in range(200):
        rng = np.random.default_rng([SEED, SCENARIOS.index(scenario), number])
        fleet = scenario.observe(rng, scenario)
        failed = fleet.durations[fleet.events]
        counts.append((failed.size, (failed > age).sum(), fleet.durations.max()))
    n_failed, n_late, latest = np.mean(counts, axis=0)
    return (
        f"{scenario.name}: {n_failed:.0f} units fail in the mean, {n_late:.0f} of them past the "
        f"age by which half would have ({age:.0f}); the median remaining life then ends at "
        f"{end:.0f}, and no unit is seen beyond {latest:.0f}. What is asked of late remaining "
        "life is an extrapolation: shown, and not judged above."
    )


def markdown(results: list[Result]) -> str:
    """The table with all that is needed to make it again."""
    wrong, pooled = verdict(results)
    head = ["scenario", "fits without a maximum", *COLUMNS]
    top = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]

    def lines(beyond: bool) -> list[str]:
        rows = []
        for r in (r for r in results if r.scenario.beyond is beyond):
            cells = [f"{100 * h / r.n_fleets:.1f}" for h in r.hits]
            rows.append(f"| {r.scenario.name} | {r.n_failed} | {' | '.join(cells)} |")
        return [*top, *rows]

    return "\n".join(
        [
            "# Coverage of the bounds",
            "",
            "Written by `python -m tests.studies.coverage --write docs/studies/coverage.md`; do "
            "not edit.",
            "",
            f"Share (%) of {results[0].n_fleets} simulated fleets whose 95 % bounds hold the "
            "truth. Times and ages are those by which the given share of the fleet has failed. "
            '"Realized RUL" is the life that one running unit turned out to have, against its '
            'prediction interval; the rest are confidence bounds, `method="auto"`. A fit without '
            "an interior maximum counts as a miss in every column.",
            "",
            *lines(False),
            "",
            f"Pooled: {100 * pooled:.2f} %. Cells whose 99.9 % binomial interval lies outside "
            f"[93 %, 97 %]: {'; '.join(wrong) or 'none'}.",
            "",
            "## Beyond the data",
            "",
            *(reason(r.scenario) for r in results if r.scenario.beyond),
            "",
            *lines(True),
            "",
            made_with(sum(r.seconds for r in results) / 60),
            "",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the study; the exit status says whether every cell is in order."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fleets", type=int, default=1000)
    parser.add_argument("--scenario", type=int, nargs="*", help="numbers, from 0; default: all")
    parser.add_argument("--results", type=Path, help="a file to append to and go on from")
    parser.add_argument("--write", type=Path, help="a Markdown file")
    chosen = parser.parse_args(arguments)
    which = range(len(SCENARIOS)) if chosen.scenario is None else chosen.scenario
    results = []
    for i in which:
        results.append(studied(i, chosen.fleets, chosen.results))
        r = results[-1]
        print(f"{r.scenario.name}: {r.n_failed} without a maximum, {r.seconds:.0f} s", flush=True)
        for column, count in zip(COLUMNS, r.hits, strict=True):
            print(f"    {column:24s} {100 * count / r.n_fleets:.1f}", flush=True)
    wrong, pooled = verdict(results)
    print(f"pooled {100 * pooled:.2f} %; outside: {wrong or 'none'}")
    if chosen.write:
        chosen.write.parent.mkdir(parents=True, exist_ok=True)
        chosen.write.write_text(markdown(results), encoding="utf-8")
    return int(bool(wrong) or not 0.94 <= pooled <= 0.96)


if __name__ == "__main__":
    sys.exit(main())
