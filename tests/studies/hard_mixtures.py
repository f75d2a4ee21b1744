"""Is a fit ever silently wrong, and does it find the best maximum? Random hard mixtures.

    python -m tests.studies.hard_mixtures                      # 10,000 problems: an hour or two
    python -m tests.studies.hard_mixtures --problems 200       # a look
    python -m tests.studies.hard_mixtures --results FILE.csv   # goes on where it was cut off
    python -m tests.studies.hard_mixtures --write FILE.md      # the tables as Markdown
    python -m tests.studies.hard_mixtures --problems 100 --store  # what the quick test compares

Each problem of `generator` is fitted through the public API; `independent` checks the answer with
formulas of its own, and `many_starts` says what a hundred unrelated starts find. That does not
depend on the search that is judged: `hard_mixtures_known.csv` keeps it, so that a changed search is
judged in a third of the time. The exit status says whether a fit was silently wrong or too few
reached the best maximum known.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import multiprocessing
import os
import platform
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from tests.studies.generator import Problem, problem
from tests.studies.independent import verdict

#: Log-likelihood by which an answer may lie below the best one known, and count as the same.
SAME = 1e-4
#: Shares (%) of the problems with an interior maximum whose best one a fit must reach.
TARGETS = {2: 99.0, 3: 95.0}
#: Problems written beside the tests, for the quick one that runs with every change.
STORED = Path(__file__).with_name("hard_mixtures.csv")
#: What a hundred starts found, by number; what a run finds is added.
KNOWN = Path(__file__).with_name("hard_mixtures_known.csv")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one problem; log-likelihoods are NaN where there is no interior maximum."""

    number: int
    n_components: int
    n_rows: int
    traits: str
    fitted: float
    best: float
    n_hits: int
    n_maxima: int
    wrong: str
    seconds: float

    @property
    def kind(self) -> str:
        """One word for it."""
        if self.wrong:
            return "silently wrong"
        if np.isnan(self.best):
            return "no maximum" if np.isnan(self.fitted) else "better"
        if np.isnan(self.fitted):
            return "missed"
        gap = self.fitted - self.best
        slack = SAME + 1e-9 * abs(self.best)
        return "missed" if gap < -slack else "better" if gap > slack else "reached"


def fitted(given: Problem) -> tuple[float, str]:
    """Log-likelihood of the library's fit (NaN where it says that it has none), and its faults."""
    from survjax import WeibullMixture
    from survjax.estimators.messages import NoFiniteMaximum

    model = WeibullMixture(given.n_components, resolution=given.resolution)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(given.durations, given.events, sample_weight=given.sample_weight)
    except NoFiniteMaximum:
        return np.nan, ""
    if not model.converged_:
        return np.nan, ""
    value, violations = verdict(
        given, model.weights_, model.scales_, model.shapes_, model.log_likelihood_
    )
    return value, "; ".join(violations)


#: Best log-likelihood that a hundred starts find, how many find it, how many maxima they find.
Best = tuple[float, int, int]


def outcome(number: int, best: Best | None = None) -> Outcome:
    """Fit one problem, check the fit, and look for something better where that is not known."""
    from tests.studies.many_starts import reference

    given, start = problem(number), time.process_time()
    value, wrong = fitted(given)
    seconds = time.process_time() - start
    if best is None:
        found = reference(given)
        best = found.log_likelihood, found.n_hits, found.n_maxima
    return Outcome(
        number,
        given.n_components,
        given.durations.size,
        "; ".join(given.traits),
        value,
        *best,
        wrong,
        seconds,
    )


def read_known(path: Path) -> dict[int, Best]:
    """What a hundred starts found, by problem; whole lines only."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        table = [row for row in csv.reader(file) if len(row) == 4 and row[0].isdigit()]
    return {int(n): (float(value), int(hits), int(maxima)) for n, value, hits, maxima in table}


def read(path: Path) -> list[Outcome]:
    """Outcomes from a file, whole lines only."""
    if not path.exists():
        return []
    fields = dataclasses.fields(Outcome)
    convert = {"int": int, "float": float, "str": str}
    with path.open(newline="", encoding="utf-8") as file:
        table = [row for row in csv.reader(file) if len(row) == len(fields)]
    return [
        Outcome(*(convert[str(f.type)](cell) for f, cell in zip(fields, row, strict=True)))
        for row in table
        if row[0].isdigit()
    ]


def line(result: Outcome) -> list[str]:
    """An outcome as cells of a file, numbers so that they come back the same."""
    return [
        value if isinstance(value, str) else repr(value) for value in dataclasses.astuple(result)
    ]


def run(
    numbers: Iterable[int], workers: int, results: Path | None, known: Path | None = None
) -> list[Outcome]:
    """Outcomes of all numbers; what the files hold already is not computed again."""
    done = {r.number: r for r in (read(results) if results else [])}
    best = read_known(known) if known else {}
    numbers = list(numbers)
    left = [n for n in numbers if n not in done]
    with (
        open(results or os.devnull, "a", newline="", encoding="utf-8") as file,
        open(known or os.devnull, "a", newline="", encoding="utf-8") as kept,
    ):
        for found in _outcomes([(n, best.get(n)) for n in left], workers):
            done[found.number] = found
            csv.writer(file).writerow(line(found))
            file.flush()
            if found.number not in best:
                row = [found.number, repr(found.best), found.n_hits, found.n_maxima]
                csv.writer(kept).writerow(row)
                kept.flush()
            if found.kind in ("silently wrong", "missed"):
                print(found, flush=True)
    return [done[n] for n in numbers]


def _outcomes(calls: list[tuple[int, Best | None]], workers: int) -> Iterator[Outcome]:
    """Outcomes in the order in which they come."""
    if workers == 1 or not calls:
        yield from (outcome(*call) for call in calls)
        return
    # A process of its own for each worker: compiled programs do not survive a fork.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap_unordered(_outcome_of, calls, 4)


def _outcome_of(call: tuple[int, Best | None]) -> Outcome:
    return outcome(*call)


def shares(results: list[Outcome]) -> list[str]:
    """Cells of one row: problems, without a maximum, reached, better, missed, wrong."""
    kinds = [r.kind for r in results]
    with_one = len(kinds) - kinds.count("no maximum")
    reached = kinds.count("reached") + kinds.count("better")
    share = f"{100 * reached / with_one:.2f}" if with_one else ""
    counts = [kinds.count(kind) for kind in ("no maximum", "better", "missed", "silently wrong")]
    return [str(len(kinds)), str(counts[0]), share, *map(str, counts[1:])]


def ordered(results: list[Outcome], target: dict[int, float]) -> bool:
    """Whether nothing is silently wrong and enough fits reach the best maximum known."""
    good = not any(r.wrong for r in results)
    for k, least in target.items():
        some = [r.kind for r in results if r.n_components == k and r.kind != "no maximum"]
        missed = some.count("missed") + some.count("silently wrong")
        good = good and 100 * missed <= (100 - least) * len(some)
    return good


def table(results: list[Outcome]) -> list[str]:
    """All problems, by K and by trait, as Markdown."""
    head = ["problems", "no maximum", "best reached, %", "higher", "missed", "silently wrong"]
    lines = [f"| | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    traits = sorted({t for r in results for t in r.traits.split("; ") if t})
    for k in sorted(TARGETS):
        group = [r for r in results if r.n_components == k]
        lines.append(f"| **K = {k}** | {' | '.join(shares(group))} |")
        parts = {trait: [r for r in group if trait in r.traits.split("; ")] for trait in traits}
        parts |= {
            "fewer than 100 rows": [r for r in group if r.n_rows < 100],
            "500 rows and more": [r for r in group if r.n_rows >= 500],
        }
        lines += [f"| {name} | {' | '.join(shares(part))} |" for name, part in parts.items()]
    return lines


def markdown(results: list[Outcome]) -> str:
    """The tables with all that is needed to make them again."""
    import jax

    import survjax

    below = [r.best - r.fitted for r in results if r.kind == "missed" and np.isfinite(r.fitted)]
    above = [r.fitted - r.best for r in results if r.kind == "better" and np.isfinite(r.best)]
    seconds = np.array([r.seconds for r in results])

    def middle(gaps: list[float]) -> str:
        return f"{np.median(gaps):.2g} in the middle, {max(gaps):.2g} at most" if gaps else "none"

    return "\n".join(
        [
            "# Hard mixtures",
            "",
            "Written by `python -m tests.studies.hard_mixtures --write "
            "docs/studies/hard_mixtures.md`; do not edit.",
            "",
            f"{len(results)} random problems (numbers {results[0].number} to "
            f"{results[-1].number}; the command's default is 10,000): 30 to 2,000 rows, two or "
            "three Weibulls, shapes 0.3 to 8, scales equal to a hundredfold, up to 85 % still "
            "running, rounded, weighted, in units from 1e-9 to 1e12 "
            "(`tests/studies/generator.py`).",
            "",
            "* **silently wrong**: `converged_` although gradient, Hessian or the rule for "
            "interior maxima fails by formulas that share no code with the library "
            "(`tests/studies/independent.py`), or the log-likelihood is not that of the "
            "parameters.",
            "* **best reached**: of the problems with an interior maximum, the share whose fit is "
            f"at least as high (within {SAME:g}) as the best interior maximum that a hundred "
            "other starts find, the truth and its neighbors among them "
            "(`tests/studies/many_starts.py`).",
            "* **higher**: among these, fits above anything those starts found. **Missed**: the "
            "rest, among them fits that say they found no interior maximum.",
            "* **no maximum**: neither found one, and the fit said so.",
            "",
            *table(results),
            "",
            f"Log-likelihood by which the missed lie below the best: {middle(below)}; by which "
            f"the higher lie above it: {middle(above)}. A fit took {seconds.mean():.2f} s in the "
            f"mean, {np.median(seconds):.2f} s in the middle (processor time, compilation "
            "included).",
            "",
            f"survjax {survjax.__version__}, JAX {jax.__version__}, NumPy {np.__version__}, Python "
            f"{platform.python_version()}, {platform.machine()}, two shared cores.",
            "",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the study; the exit status says whether the claims hold."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first problem's number")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--results", type=Path, help="a CSV file to append to and go on from")
    parser.add_argument(
        "--known", type=Path, default=KNOWN, help="a CSV file of what the hundred starts found"
    )
    parser.add_argument("--write", type=Path, help="a Markdown file")
    parser.add_argument("--store", action="store_true", help=f"write {STORED.name}")
    chosen = parser.parse_args(arguments)
    numbers = range(chosen.first, chosen.first + chosen.problems)
    results = run(numbers, chosen.workers, chosen.results, chosen.known)
    print("\n".join(table(results)))
    if chosen.write:
        chosen.write.parent.mkdir(parents=True, exist_ok=True)
        chosen.write.write_text(markdown(results), encoding="utf-8")
    if chosen.store:
        with STORED.open("w", newline="", encoding="utf-8") as file:
            table_ = csv.writer(file, lineterminator="\n")
            table_.writerow(f.name for f in dataclasses.fields(Outcome))
            table_.writerows(line(r) for r in results)
    return int(not ordered(results, TARGETS))


if __name__ == "__main__":
    sys.exit(main())
