"""Are the mixtures of many groups those of fits alone? Hard problems, both ways.

    python -m tests.studies.group_mixtures                     # 300 problems: a minute or two
    python -m tests.studies.group_mixtures --problems 1000

Each problem of `generator` is one group of one table (rounded durations by their density), so that
units of time, sizes and traits differ between neighbors. `fit_groups` and `WeibullMixture.fit` must
find the same: the log-likelihood to `SAME`, and the smallest eigenvalue of the certificate with
it. The exit status says whether one group's answer is below that of its own fit.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
import warnings

import numpy as np
import pandas as pd

from survjax import NoFiniteMaximum, WeibullMixture, fit_groups
from tests.studies.generator import problem

#: Log-likelihoods that are one, relative to one plus their size.
SAME = 1e-6
COLUMNS = {"duration": "age", "event": "failed", "weight": "units"}


@dataclasses.dataclass(frozen=True)
class Pair:
    """Of one problem: log-likelihoods by both ways, and the smallest eigenvalues there.

    NaN where there is no answer; `side_by_side` says whether it was searched with others.
    """

    number: int
    n_rows: int
    traits: str
    alone: float
    grouped: float
    eigenvalue_alone: float
    eigenvalue_grouped: float
    side_by_side: bool

    @property
    def gain(self) -> float:
        """By how much the group's answer lies above that of its own fit, relative to its size."""
        if np.isnan(self.alone) or np.isnan(self.grouped):
            return float(np.isnan(self.alone)) - float(np.isnan(self.grouped))
        return (self.grouped - self.alone) / (1.0 + abs(self.alone))

    @property
    def same_certificate(self) -> bool:
        """Whether the curvature at both answers is the same."""
        gap = abs(self.eigenvalue_alone - self.eigenvalue_grouped)
        return np.isnan(self.alone + self.grouped) or gap <= SAME + 1e-3 * self.eigenvalue_alone


def table(numbers: list[int]) -> pd.DataFrame:
    """Rows of all problems."""
    parts = []
    for number in numbers:
        p = problem(number)
        columns = {"number": number, "age": p.durations, "failed": p.events, "units": p.units}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def compared(numbers: list[int]) -> tuple[list[Pair], float, float]:
    """Both ways for all problems, with the processor time of each."""
    frame = table(numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = time.process_time()
        fits = fit_groups(frame, "number", **COLUMNS, model=WeibullMixture(2))
        between = time.process_time()
        alone = {number: _alone(own) for number, own in frame.groupby("number")}
        end = time.process_time()
        beside = fits._answers.searched
        searched = set() if beside is None else set(beside.which.tolist())
        pairs = [
            _pair(number, alone[number], fits, i in searched) for i, number in enumerate(numbers)
        ]
    return pairs, between - begin, end - between


def _alone(own: pd.DataFrame) -> WeibullMixture | None:
    """The fit of one problem by itself."""
    try:
        return WeibullMixture(2).fit(own["age"], own["failed"], sample_weight=own["units"])
    except NoFiniteMaximum:
        return None


def _pair(number: int, alone: WeibullMixture | None, fits: object, side_by_side: bool) -> Pair:
    p, missing = problem(number), (float("nan"), float("nan"))
    row = fits.table.loc[number]  # type: ignore[attr-defined]
    there = bool(row["converged"])
    model = fits.model(number) if there else None  # type: ignore[attr-defined]
    values = [
        (each.log_likelihood_, each.certificate_.smallest_eigenvalue)
        if each is not None and each.converged_
        else missing
        for each in (alone, model)
    ]
    (one, eigenvalue_one), (two, eigenvalue_two) = values
    traits = ", ".join(p.traits)
    return Pair(
        number, p.durations.size, traits, one, two, eigenvalue_one, eigenvalue_two, side_by_side
    )


def main() -> None:
    """Compare, and print where the two ways differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    numbers = list(range(arguments.first, arguments.first + arguments.problems))
    pairs, together, alone = compared(numbers)
    lower = [p for p in pairs if p.gain < -SAME]
    higher = [p for p in pairs if p.gain > SAME]
    equal = [p for p in pairs if abs(p.gain) <= SAME]
    curved = [p for p in equal if not p.same_certificate]
    print(
        f"{len(pairs)} problems, {sum(p.side_by_side for p in pairs)} searched side by side: "
        f"{len(equal)} the same, {len(lower)} below their own fits, {len(higher)} above; "
        f"{len(curved)} of the same with another certificate"
    )
    print(f"largest difference of the same: {max(abs(p.gain) for p in equal):.1e}")
    print(f"processor time: {together:.1f} s together, {alone:.1f} s alone")
    for p in lower + higher + curved:
        print(p)
    sys.exit(bool(lower))


if __name__ == "__main__":
    main()
