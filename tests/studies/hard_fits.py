"""Is a fit ever silently wrong? Random hard fits of families, modifiers and kinds of rows.

    python -m tests.studies.hard_fits                          # 5,000 problems: hours
    python -m tests.studies.hard_fits --problems 200           # a look
    python -m tests.studies.hard_fits --wrapped                # zeros, odds and nested modifiers
    python -m tests.studies.hard_fits --results FILE.csv       # goes on where it was cut off
    python -m tests.studies.hard_fits --write FILE.md          # the tables as Markdown

Each problem is drawn from its number and fitted through the public API. Where a fit says that it is
an interior maximum, `laws` (SciPy's formulas, none of the library's) must agree: the log-likelihood
is that of the parameters, its slope by finite differences is zero in standard errors, the curvature
is that of the covariance and falls to every side, and no point near by is higher. The exit status
says whether a fit was silently wrong.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import platform
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize

from survjax import LifetimeModel, NoFiniteMaximum, Observations
from survjax.lifetimes import (
    Cured,
    Gamma,
    LogNormal,
    ProportionalOdds,
    Shifted,
    Weibull,
    ZeroInflated,
)
from tests.studies.laws import LAWS, ODDS_RATIO, log_likelihood

SEED = 20261130
#: Relative differences of log-likelihoods, slopes in standard errors, curvatures of minus one.
VALUE, SLOPE, CURVATURE = 1e-7, 2e-3, 0.2
#: Below this |q| SciPy's generalized gamma loses digits, and nothing is judged.
SMALL_Q = 0.08
MODELS: dict[str, Any] = {
    **{name: name for name in LAWS if " " not in name},
    "cured weibull": Cured(Weibull(0.0, 0.0), 0.0),
    "cured lognormal": Cured(LogNormal(0.0, 0.0), 0.0),
    "shifted weibull": Shifted(Weibull(0.0, 0.0), 0.0),
    "shifted lognormal": Shifted(LogNormal(0.0, 0.0), 0.0),
}

WEIBULL, LOG_RATIO = Weibull(0.0, 0.0), float(np.log(ODDS_RATIO))
#: Modifiers that came later, with problems of their own, and modifiers around modifiers.
WRAPPED: dict[str, Any] = {
    "zero-inflated weibull": ZeroInflated(WEIBULL, 0.0),
    "zero-inflated gamma": ZeroInflated(Gamma(0.0, 0.0), 0.0),
    "zero-inflated cured lognormal": ZeroInflated(Cured(LogNormal(0.0, 0.0), 0.0), 0.0),
    "zero-inflated shifted weibull": ZeroInflated(Shifted(WEIBULL, 0.0), 0.0),
    "zero-inflated odds weibull": ZeroInflated(ProportionalOdds(WEIBULL, LOG_RATIO), 0.0),
    "odds weibull": ProportionalOdds(WEIBULL, LOG_RATIO),
    "odds lognormal": ProportionalOdds(LogNormal(0.0, 0.0), LOG_RATIO),
    "odds cured weibull": ProportionalOdds(Cured(WEIBULL, 0.0), LOG_RATIO),
    "odds shifted weibull": ProportionalOdds(Shifted(WEIBULL, 0.0), LOG_RATIO),
    "cured odds weibull": Cured(ProportionalOdds(WEIBULL, LOG_RATIO), 0.0),
    "cured shifted weibull": Cured(Shifted(WEIBULL, 0.0), 0.0),
}
KINDS = ("exact", "right", "left and right", "late", "inspected", "exit", "tied", "mixed")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one problem."""

    number: int
    model: str
    kind: str
    n_rows: int
    answer: str
    wrong: str
    seconds: float


def drawn_lives(rng: np.random.Generator, n: int) -> np.ndarray:
    """Lives of a random law: one of two shapes, or two kinds of units."""
    lives = rng.weibull(rng.choice([0.5, 0.9, 1.5, 3.0, 8.0]), n)
    other = np.exp(rng.choice([0.1, 0.5, 1.5]) * rng.normal(size=n))
    pick = rng.choice(3)
    mixed = np.where(rng.random(n) < 0.4, 0.1 * lives, other)
    return np.asarray([lives, other, mixed][pick] * 10.0 ** rng.uniform(-4.0, 4.0))


def modified_lives(rng: np.random.Generator, model: str, life: np.ndarray) -> np.ndarray:
    """Lives, some of them as the modifiers of a model have it; cured units live without end."""
    if "shifted" in model and rng.random() < 0.7:
        life = life + rng.choice([0.3, 2.0]) * np.median(life)
    if "cured" in model and rng.random() < 0.7:
        life = np.where(rng.random(life.size) < rng.choice([0.1, 0.5]), np.inf, life)
    if model.startswith("zero-inflated"):
        life = np.where(rng.random(life.size) < rng.choice([0.02, 0.3]), 0.0, life)
    return life


def problem(
    number: int, models: Mapping[str, Any] = MODELS
) -> tuple[str, str, dict[str, np.ndarray]]:
    """The model, the kind of rows, and the rows of a number."""
    rng = np.random.default_rng([SEED, number])
    model, kind = str(rng.choice(list(models))), str(rng.choice(KINDS))
    n = int(rng.choice([4, 8, 15, 30, 60, 120]))
    life = drawn_lives(rng, 6 * n)
    if models is WRAPPED:
        life = modified_lives(rng, model, life)
        if kind in ("exact", "exit", "tied"):
            life[np.isinf(life)] = life.min()
    unit, entry, exit = (
        float(np.median(life[np.isfinite(life) & (life > 0)])),
        np.zeros(6 * n),
        np.full(6 * n, np.inf),
    )
    if kind in ("late", "mixed"):
        entry = np.where(rng.random(6 * n) < 0.5, 0.0, unit * rng.exponential(0.5, 6 * n))
    if kind in ("exit", "mixed"):
        bounded = rng.random(6 * n) < (1.0 if kind == "exit" else 0.4)
        exit = np.where(bounded, entry + unit * rng.exponential(2.0, 6 * n), np.inf)
    reached = (life > entry) | ((life == 0) & (entry == 0))
    seen = np.flatnonzero(reached & (life <= exit))[:n]
    life, entry, exit = life[seen], entry[seen], exit[seen]
    lower, upper = life.copy(), life.copy()
    free = np.isinf(exit)
    end = entry + unit * rng.exponential(rng.choice([0.3, 1.0, 3.0]), life.size)
    if kind in ("right", "left and right", "late", "mixed"):
        runs = free & (life > end)
        lower, upper = np.where(runs, end, lower), np.where(runs, np.inf, upper)
    if kind in ("left and right", "mixed"):
        left = free & np.isfinite(upper) & (rng.random(life.size) < 0.3)
        lower = np.where(left, entry, lower)
        upper = np.where(left, np.maximum(life, entry * (1 + 1e-6)), upper)
    if kind == "inspected":
        width = unit * rng.choice([0.2, 0.7])
        lower, upper = np.floor(life / width) * width, (np.floor(life / width) + 1.0) * width
        late = lower > 3.0 * unit
        lower, upper = np.where(late, 3.0 * unit, lower), np.where(late, np.inf, upper)
    if kind == "tied":
        lower = upper = np.where(life > 0, np.maximum(np.round(life / unit, 1), 0.05) * unit, 0.0)
    return model, kind, {"lower": lower, "upper": upper, "entry": entry, "exit": exit}


def observed(rows: Mapping[str, np.ndarray]) -> Observations:
    """The rows as the library takes them."""
    given: dict[str, Any] = {}
    if rows["entry"].any():
        given["entry"] = rows["entry"]
    if np.isfinite(rows["exit"]).any():
        given["exit"] = rows["exit"]
    lower, upper = rows["lower"], rows["upper"]
    given["zeros"] = bool(np.any(upper == 0))
    if np.all((lower == upper) | np.isinf(upper)):
        return Observations.from_durations(lower, np.isfinite(upper), **given)
    return Observations.from_intervals(lower, upper, **given)


def curvature(
    value: Callable[[np.ndarray], float], x: np.ndarray, root: np.ndarray, step: float
) -> np.ndarray:
    """Second derivatives by finite differences, in standard errors."""
    curved = np.empty(root.shape)
    for i, j in np.ndindex(curved.shape):
        signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
        each = [value(x + step * (a * root[:, i] + b * root[:, j])) for a, b in signs]
        curved[i, j] = (each[0] - each[1] - each[2] + each[3]) / (4.0 * step * step)
    return curved


def judged(name: str, model: Any, rows: Mapping[str, np.ndarray]) -> str:
    """What is wrong with a fit that says it is an interior maximum; nothing where all is right."""
    template, x = model._template, np.asarray(model.parameters_)
    names = [q.name for q in template.quantities]

    def value(point: np.ndarray) -> float:
        law = LAWS[name](dict(zip(names, template.response(template.link(point)), strict=True)))
        return log_likelihood(law, rows)

    own, top = float(model.log_likelihood_), value(x)
    if not abs(own - top) <= VALUE * (1.0 + abs(top)):
        return f"the log-likelihood is {top:.10g}, not {own:.10g}"
    root = np.linalg.cholesky(np.asarray(model.covariance_))
    step, p = 1e-3, x.size
    slope = [(value(x + step * c) - value(x - step * c)) / (2.0 * step) for c in root.T]
    size = float(np.linalg.norm(slope))
    if not size <= SLOPE:
        return f"the slope is {size:.2g} in standard errors"
    # Far from a parabola, where the farther derivatives are large, only a small step tells, or
    # what two of them foretell of a smaller one.
    curved = [curvature(value, x, root, step) for step in (0.02, 0.004, 0.001, 2e-4)]
    curved.append((25.0 * curved[-1] - curved[-2]) / 24.0)
    if not min(np.abs(each + np.eye(p)).max() for each in curved) <= CURVATURE:
        worst = np.round(np.diag(curved[-1]), 3)
        return f"the curvature is {worst} along the axes of the errors, not minus one"
    start = x + 0.3 * root @ np.ones(p)
    found = optimize.minimize(lambda y: -value(y), start, method="Nelder-Mead")
    near = np.linalg.norm(np.linalg.solve(root, found.x - x)) < 3.0
    if near and -found.fun > top + 1e-6 * (1.0 + abs(top)):
        return f"near by the log-likelihood is {-found.fun:.10g}, above {top:.10g}"
    return ""


def solved(number: int, models: Mapping[str, Any] = MODELS) -> Outcome:
    """Fit one problem and judge the answer."""
    name, kind, rows = problem(number, models)
    began, wrong = time.perf_counter(), ""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            model = LifetimeModel(models[name]).fit(observed(rows))
            answer = "maximum" if model.converged_ else "said not to be a maximum"
        except NoFiniteMaximum:
            answer = "no finite maximum"
        except ValueError as error:
            answer, wrong = "refused", "" if "failure" in str(error) else str(error)[:160]
        except Exception as error:  # of Python or JAX, whatever it is
            answer, wrong = "raised", f"{type(error).__name__}: {error}"[:160]
        if answer == "maximum" and getattr(model, "_at_border", None) is not None:
            answer = "at the first failure, and said"
        elif answer == "maximum":
            if name == "generalized_gamma" and abs(model.parameters_[2]) < SMALL_Q:
                answer = "maximum, not judged"
            else:
                wrong = judged(name, model, rows)
            if any("not the highest point" in str(each.message) for each in said):
                # That a higher point lies near by has been said.
                answer += ", and a higher limit said"
                wrong = "" if wrong.startswith("near by") else wrong
    seconds = time.perf_counter() - began
    return Outcome(number, name, kind, rows["lower"].size, answer, wrong, round(seconds, 2))


def read(path: Path) -> Iterator[Outcome]:
    """Outcomes that were written before."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            number, n_rows, seconds = int(row["number"]), int(row["n_rows"]), float(row["seconds"])
            words = (row["model"], row["kind"], n_rows, row["answer"], row["wrong"], seconds)
            yield Outcome(number, *words)


def tables(outcomes: list[Outcome], wrapped: bool = False) -> str:
    """What was found, in Markdown."""
    models, option = (WRAPPED, " --wrapped") if wrapped else (MODELS, "")
    wrong = [o for o in outcomes if o.wrong]
    answers = Counter(o.answer for o in outcomes)
    lines = [
        f"# Hard fits{' of what wraps a lifetime' if wrapped else ''}",
        "",
        f"{len(outcomes)} random problems over {len(models)} families and modifiers and "
        f"{len(KINDS)} kinds of rows, each of 4 to 120 units (`python -m tests.studies.hard_fits "
        f"--problems {len(outcomes)}{option}`, {platform.machine()}, "
        f"Python {platform.python_version()}). "
        f"Silently wrong: {len(wrong)}.",
        "",
        "Where a fit says that it is an interior maximum, SciPy's formulas must agree with its "
        "log-likelihood (1e-7), with a slope of zero (0.002 in standard errors), with the "
        "covariance as the inverse curvature, and must not find a higher point near by.",
        "",
        "| answer | problems |",
        "|---|---|",
        *(f"| {answer} | {count} |" for answer, count in answers.most_common()),
        "",
    ]
    for title, key in (("family", "model"), ("rows", "kind")):
        groups = sorted({getattr(o, key) for o in outcomes})
        lines += [f"| {title} | problems | maxima | no maximum, said | silently wrong |"]
        lines += ["|---|---|---|---|---|"]
        for group in groups:
            own = [o for o in outcomes if getattr(o, key) == group]
            maxima = sum(o.answer.startswith("maximum") for o in own)
            said = sum(o.answer.startswith(("no finite", "said", "at the first")) for o in own)
            bad = sum(bool(o.wrong) for o in own)
            lines.append(f"| {group} | {len(own)} | {maxima} | {said} | {bad} |")
        lines.append("")
    lines += [f"* Problem {o.number}, {o.model}, {o.kind}: {o.wrong}" for o in wrong]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Fit, judge, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--problems", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="number of the first problem")
    parser.add_argument("--wrapped", action="store_true", help="zeros, odds, nested modifiers")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    known: dict[int, Outcome] = {}
    if given.results is not None and given.results.exists():
        known = {outcome.number: outcome for outcome in read(given.results)}
    numbers = range(given.first, given.first + given.problems)
    for number in numbers:
        if number not in known:
            outcome = known[number] = solved(number, WRAPPED if given.wrapped else MODELS)
            if outcome.wrong:
                print(outcome, file=sys.stderr, flush=True)
            if given.results is not None:
                fresh = not given.results.exists()
                with given.results.open("a", encoding="utf-8", newline="") as file:
                    writer = csv.DictWriter(file, list(dataclasses.asdict(outcome)))
                    if fresh:
                        writer.writeheader()
                    writer.writerow(dataclasses.asdict(outcome))
    outcomes = [known[number] for number in numbers]
    text = tables(outcomes, given.wrapped)
    print(text)
    if given.write is not None:
        given.write.write_text(text, encoding="utf-8")
    sys.exit(any(outcome.wrong for outcome in outcomes))


if __name__ == "__main__":
    main()
