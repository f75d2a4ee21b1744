"""Time whole fits against code written by hand and, with --peers, against other packages.

Run `python -m tests.benchmarks.fit` (a few minutes); `--write` puts the tables into
docs/benchmarks.md. Compile time is apart: every call is warmed up once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from functools import partial

import jax
import numpy as np

from survjax import WeibullMixture, kaplan_meier
from survjax._core.precision import double_precision
from survjax._core.programs import without_drafts
from survjax.data.observations import Observations
from survjax.likelihood.objective import Objective
from survjax.likelihood.weibulls import weibull_template
from tests.benchmarks.controls import fleet, mixture_by_hand, weibull_by_hand, yardstick
from tests.benchmarks.measure import in_turn, machine, seconds, table, write_section


@double_precision
def mixtures(sizes: tuple[int, ...]) -> str:
    """Two components: whole fits against L-BFGS by hand, and in yardsticks."""
    rows = []
    for n in sizes:
        durations, events = fleet(n)
        model = WeibullMixture(2)
        x = model.fit(durations, events).parameters_
        data = Observations.from_durations(durations, events)
        arrays = jax.device_put((data.log_lower, data.event, data.weight))
        objective = Objective(weibull_template(2), data)
        runs = {
            "fit": partial(model.fit, durations, events),
            "hand": partial(mixture_by_hand, durations, events),
            "yardstick": lambda x=x, a=arrays: yardstick(
                x[0], x[1:3], x[3:], *a
            ).block_until_ready(),
            "pass": lambda x=x, f=objective: f(x),
        }
        t = in_turn(runs, 15 if n < 10_000 else 7)
        gap = model.log_likelihood_ - mixture_by_hand(durations, events)
        rows.append(
            [
                f"{n:,}",
                f"{1e3 * t['fit']:.1f}",
                f"{1e3 * t['hand']:.1f}",
                f"{t['hand'] / t['fit']:.2f}",
                f"{1e3 * t['yardstick']:.2f}",
                f"{t['fit'] / t['yardstick']:.1f}",
                f"{t['pass'] / t['yardstick']:.2f}",
                f"{gap:+.1e}",
            ]
        )
    head = [
        "n",
        "whole fit, ms",
        "L-BFGS by hand, ms",
        "hand / fit",
        "yardstick, ms",
        "fit / yardstick",
        "pass / yardstick",
        "log-likelihood over hand's",
    ]
    return table(head, rows)


@double_precision
def singles(sizes: tuple[int, ...]) -> str:
    """One Weibull against a profile-likelihood Newton by hand, and counting of whole numbers."""
    rows = []
    for n in sizes:
        rng = np.random.default_rng(2)
        lives, limits = 40 * rng.weibull(2.0, n), rng.uniform(10, 75, n)
        durations, events = np.minimum(lives, limits), lives <= limits
        t = in_turn(
            {
                "fit": partial(WeibullMixture(1).fit, durations, events),
                "hand": partial(weibull_by_hand, durations, events),
            }
        )
        rows.append(
            [
                f"{n:,} decimals",
                f"{1e3 * t['fit']:.0f}",
                f"{1e3 * t['hand']:.0f}",
                f"{t['fit'] / t['hand']:.2f}",
            ]
        )
    t = in_turn(
        {
            "curve": partial(kaplan_meier, durations, events),
            "sort": partial(np.sort, durations),
        }
    )
    rows.append(
        [
            f"{n:,} decimals, Kaplan-Meier",
            f"{1e3 * t['curve']:.0f}",
            f"{1e3 * t['sort']:.0f} (numpy.sort)",
            f"{t['curve'] / t['sort']:.2f}",
        ]
    )
    days = np.ceil(365 * durations / 10).astype(np.int64)
    t = in_turn(
        {
            "fit": partial(WeibullMixture(1, resolution=1.0).fit, days, events),
            "count": partial(np.bincount, days),
        }
    )
    rows.append(
        [
            f"{n:,} whole numbers",
            f"{1e3 * t['fit']:.0f}",
            f"{1e3 * t['count']:.0f} (numpy.bincount)",
            f"{t['fit'] / t['count']:.2f}",
        ]
    )
    return table(["n, one component", "whole fit, ms", "control, ms", "fit / control"], rows)


def remaining_life(n: int = 100_000) -> str:
    """Remaining life with bounds for many units of different ages."""
    durations, events = fleet(2000)
    model = WeibullMixture(2).fit(durations, events)
    ages = np.random.default_rng(3).uniform(0, 60, n)
    rul = seconds(lambda: model.predict_rul(ages), 7)
    risk = seconds(lambda: model.failure_probability(ages, 1.0), 7)
    rows = [
        ["mean and three quantiles with bounds", f"{rul:.2f}"],
        ["failure probability", f"{risk:.3f}"],
    ]
    return table([f"{n:,} units", "s"], rows)


def kinds_of_rows(sizes: tuple[int, ...], repeats: int) -> str:
    """Late entry and intervals, over plain rows of the same number in the same run."""
    rows = []
    for n in sizes:
        durations, events = fleet(n)
        rng = np.random.default_rng(5)
        # Half came under observation late; failures are found at inspections, each at its own.
        entry = np.where(rng.random(n) < 0.5, durations * rng.random(n), 0.0)
        lower = np.where(events, durations * rng.uniform(0.8, 1.0, n), durations)
        upper = np.where(events, durations * rng.uniform(1.0, 1.2, n), np.inf)
        for k in (1, 2):
            model = WeibullMixture(k)
            runs = {
                "plain": partial(model.fit, durations, events),
                "late entry": partial(model.fit, durations, events, entry=entry),
                "intervals": partial(model.fit_interval, lower, upper),
                "both": partial(model.fit_interval, lower, upper, entry=0.8 * entry),
            }
            t = in_turn(runs, repeats)
            ratios = [f"{t[name] / t['plain']:.1f}" for name in list(runs)[1:]]
            rows.append([f"{n:,}", f"{k}", f"{1e3 * t['plain']:.1f}", *ratios])
    head = ["n", "components", "plain rows, ms", "late entry / plain", "intervals / plain"]
    return table([*head, "both / plain"], rows)


ONE, TWO = (f"from survjax import WeibullMixture; WeibullMixture({k}).fit(t, e)" for k in (1, 2))
NOT_KEPT = "import os; os.environ['SURVJAX_CACHE_DIR'] = ''; "
KEPT = "import os; os.environ['SURVJAX_CACHE_DIR'] = FOLDER; "
COLD = {
    "survjax, one component": NOT_KEPT + ONE,
    "survjax, two components": NOT_KEPT + TWO,
    "survjax, one component, programs on disk": KEPT + ONE,
    "survjax, two components, programs on disk": KEPT + TWO,
    "lifelines": "from lifelines import WeibullFitter; WeibullFitter().fit(t, e)",
}
DATA = (
    "import numpy as np; r = np.random.default_rng(0); t = 10 * r.weibull(2.0, 1000); "
    "e = r.random(1000) < 0.7; "
)


def first_fits(repeats: int = 5) -> str:
    """Import, compile and fit n = 1000 in a fresh process: processor seconds."""
    spent: dict[str, list[float]] = {name: [] for name in COLD}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats + 1):
            for name, code in COLD.items():
                code = code.replace("FOLDER", repr(folder))
                script = f"{DATA}{code}\nimport os; t = os.times(); print(t.user + t.system)"
                out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
                if out.returncode:
                    raise RuntimeError(out.stderr)
                spent[name].append(float(out.stdout.split()[-1]))
    median = {name: float(np.median(taken[1:])) for name, taken in spent.items()}
    rows = [[name, f"{s:.2f}", f"{s / median['lifelines']:.2f}"] for name, s in median.items()]
    help_time = seconds(
        lambda: subprocess.run([sys.executable, "-m", "survjax", "--help"], capture_output=True)
    )
    rows.append(["`survjax --help`, wall", f"{help_time:.2f}", ""])
    return table(["first fit in a fresh process", "s", "over lifelines"], rows)


def _surpyval(durations: np.ndarray, events: np.ndarray) -> None:
    import surpyval

    surpyval.MixtureModel(dist=surpyval.Weibull, m=2).fit(x=durations, c=1 - events)


def _reliability(durations: np.ndarray, events: np.ndarray) -> None:
    from reliability.Fitters import Fit_Weibull_Mixture

    Fit_Weibull_Mixture(
        failures=durations[events],
        right_censored=durations[~events],
        show_probability_plot=False,
        print_results=False,
    )


def peers(sizes: tuple[int, ...]) -> str:
    """Other packages that are installed, on the two-component fleet."""
    rows = []
    for n in sizes:
        durations, events = fleet(n)
        ours = seconds(partial(WeibullMixture(2).fit, durations, events), 3)
        row = [f"{n:,}", f"{ours:.3f}"]
        for fit in (_surpyval, _reliability):
            try:
                row.append(f"{seconds(partial(fit, durations, events), 1) / ours:.0f}")
            except Exception as error:  # a peer's own failure is a finding
                row.append(type(error).__name__)
        rows.append(row)
    head = ["n", "survjax, s", "SurPyval / survjax", "reliability / survjax"]
    return table(head, rows)


@without_drafts()
def main() -> None:
    """Run and print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into the docs")
    parser.add_argument("--peers", action="store_true", help="also time installed peers")
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--kinds", action="store_true", help="only the kinds of rows")
    chosen = parser.parse_args()
    if chosen.kinds:
        print(kinds_of_rows((1_000, 100_000), 3))
        return
    large = () if chosen.quick else (1_000_000,)
    parts = [
        "## Whole fits\n\n`python -m tests.benchmarks.fit`; " + machine() + ". Programs are "
        "well compiled, but for first fits.",
        mixtures((1_000, 100_000, *large)),
        kinds_of_rows((1_000, 100_000), 5),
        singles((100_000,) if chosen.quick else (1_000_000, 10_000_000)),
        remaining_life(),
        first_fits(),
    ]
    if chosen.peers:
        parts.append(peers((1_000,) if chosen.quick else (1_000, 100_000)))
    text = "\n\n".join(parts)
    print(text)
    if chosen.write:
        write_section("benchmarks.md", "fit", text)


if __name__ == "__main__":
    main()
