"""Results in words and in columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from survjax._core.validation import how_many
from survjax.cli._columns import Units
from survjax.cli._text import plain, printable
from survjax.cli._writing import escaped_column
from survjax.estimators.lifetime.predictions import (
    FittedLifetime,
    failure_columns,
    interval_columns,
    rul_columns,
)
from survjax.estimators.lifetime.report import summary_columns
from survjax.plotting.data import grid, title_of

if TYPE_CHECKING:
    from survjax.estimators.competing.model import CompetingRisks
    from survjax.estimators.lifetime.weibull_mixture import WeibullMixture

QUANTILES = (0.1, 0.5, 0.9)
ENDS = ("lower", "upper")
#: Units of which the terminal shows the remaining life; rul.csv has them all.
SHOWN = 5


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table: the first column to the left, numbers to the right."""
    width = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [
            row[0].ljust(width[0]),
            *(c.rjust(w) for c, w in zip(row[1:], width[1:], strict=True)),
        ]
        yield "  " + "  ".join(cells).rstrip()


def between(lower: float, upper: float) -> str:
    """Bounds in words; a fit that is no maximum has none."""
    return "none" if np.isnan(lower) or np.isnan(upper) else f"{plain(lower)} to {plain(upper)}"


def components(model: WeibullMixture, unit: str | None, level: float) -> Iterator[str]:
    """The fitted components, and what follows for all units, with bounds."""
    yield (
        f"{title_of(model)}: log-likelihood {model.log_likelihood_:.3f}, BIC {model.bic_:.2f}, "
        f"{how_many(model.n_units_, 'unit')}, {how_many(model.n_events_, 'failure')}"
    )
    found = _summary(model, level) if model.converged_ else None
    medians = model.scales_ * np.log(2.0) ** (1.0 / model.shapes_)
    of = f" ({printable(unit, 20)})" if unit else ""
    rows = [
        [
            str(k + 1),
            *_with_bounds(found, f"weight_{k + 1}", model.weights_[k], percent),
            *_with_bounds(found, f"shape_{k + 1}", model.shapes_[k]),
            *_with_bounds(found, f"scale_{k + 1}", model.scales_[k]),
            plain(medians[k]),
        ]
        for k in range(model.weights_.size)
    ]
    bounds = f"{100 * level:g}% bounds"
    head = ["component", "share", bounds, "shape", bounds, f"scale{of}", bounds, "median"]
    yield from table(head, rows)
    if found is not None:
        yield from fleet(found, of, bounds)


#: Estimate, lower and upper bound of each quantity, by its name.
Bounded = dict[str, tuple[float, float, float]]


def _summary(model: WeibullMixture, level: float) -> Bounded:
    """What `model.summary` says; a frame would take as long to load as JAX."""
    names, columns = summary_columns(model, level)
    values = (columns[name].tolist() for name in ("estimate", *ENDS))
    return dict(zip(names, zip(*values, strict=True), strict=True))


#: What is said of all units: the row of the summary, and what it is.
FLEET = (
    ("mean", "mean life"),
    ("q10", "B10 life: 10% fail by"),
    ("q50", "median life: half fail by"),
)


def fleet(summary: Bounded, of: str, bounds: str) -> Iterator[str]:
    """Mean, B10 and median life of a new unit, with bounds."""
    rows = []
    for name, what in FLEET:
        value, low, high = summary[name]
        rows.append([what, plain(value), between(low, high)])
    yield from table([f"a new unit{of}", "", bounds], rows)


def percent(value: float) -> str:
    """A share in percent."""
    return f"{100 * value:.1f}%"


def _with_bounds(
    summary: Bounded | None, name: str, value: float, written: Callable[[float], str] = plain
) -> list[str]:
    """A parameter and its bounds, which the one weight of a single component has not."""
    if summary is None or name not in summary:
        return [written(value), "none" if summary is None else ""]
    _, low, high = summary[name]
    known = not (np.isnan(low) or np.isnan(high))
    return [written(value), f"{written(low)} to {written(high)}" if known else "none"]


def comparison(model: Any, single: WeibullMixture | None) -> Iterator[str]:
    """The fit against one Weibull, or the numbers of components that were tried."""
    # As it is kept: to look at the attribute would make a frame of it.
    table = vars(model).get("selection_")
    if table is not None:
        name = model.n_components
        yield choice(name, zip(table["n_components"], table[name], table["converged"], strict=True))
    elif model.weights_.size > 1 and single is not None:
        gap = single.bic_ - model.bic_
        words = "worse: one Weibull misses this fleet" if gap > 10 else "worse"
        if gap < 0:
            words = "better: one Weibull is enough"
        yield (
            f"one Weibull: log-likelihood {single.log_likelihood_:.3f}, BIC {single.bic_:.2f}, "
            f"{abs(gap):.1f} {words}"
        )


def choice(criterion: str, tried: Iterable[tuple[int, float, bool]]) -> str:
    """What a criterion said of each number of components; of what is no maximum it says nothing."""
    words = [f"{k}: {f'{value:.2f}' if proper else 'no maximum'}" for k, value, proper in tried]
    return f"{criterion.upper()} by number of components: {', '.join(words)}"


def certificate_lines(model: WeibullMixture | CompetingRisks) -> Iterator[str]:
    """What the answer stands on."""
    found = model.certificate_
    agree = f"; {found.n_agreeing} of {found.n_starts} searches ended there"
    yield f"{explained(found.status)}{agree if found.n_starts > 1 else ''}"


def explained(status: str) -> str:
    """The status of a fit, with what it means where it is good."""
    if status == "interior maximum":
        return f"{status}: every small change of a parameter fits worse"
    return status


class Remaining:
    """Remaining lives of the units still running, and of every age for the picture.

    All ages are predicted in one call, which is compiled once.
    """

    #: The order of rul.csv: that of the file, or of risk.
    sort = "file"

    def __init__(
        self,
        model: FittedLifetime,
        units: Units,
        level: float,
        horizon: float | None,
        *,
        for_picture: bool = True,
    ) -> None:
        self._choose(units, level, horizon)
        self.grid = np.concatenate([[0.0], grid(model)[:-1]]) if for_picture else np.empty(0)
        every = np.concatenate([self.ages, self.grid, [0.0]])  # never empty
        lives = rul_columns(model, every, QUANTILES, level)
        n = self.ages.size
        self.columns_of = {name: values[:n] for name, values in lives.items()}
        self.grid_lives = {name: values[n:-1] for name, values in lives.items()}
        if self.ages.size:
            interval = interval_columns(model, self.ages, level)
            self.columns_of |= {f"life_{end}": interval[end] for end in ENDS}
            if horizon is not None:
                risk = failure_columns(model, self.ages, horizon, level)
                self.columns_of["failure_probability"] = risk["failure_probability"]

    def _choose(self, units: Units, level: float, horizon: float | None) -> None:
        """Keep the units that still run, and what is asked of them."""
        self.rows = np.flatnonzero(units.running)
        self.names = [units.names[row] for row in self.rows]
        self.title = units.title
        self.ages = units.lower[self.rows]
        self.level, self.horizon, self.weight = level, horizon, units.weight

    def columns(self) -> dict[str, Sequence[str]]:
        """The columns of rul.csv, as text."""
        numbers = {"age": [repr(float(age)) for age in self.ages]}
        for name, values in self.columns_of.items():
            numbers[name] = [f"{x:.9g}" if x == x else "" for x in values.tolist()]
        first = self.order()
        rank = np.empty(first.size, int)
        rank[first] = np.arange(1, first.size + 1)
        numbers["rank"] = [str(place) for place in rank.tolist()]
        title = self.title
        while title in numbers:
            title += "_id"
        columns = {title: escaped_column(self.names), **numbers}
        if self.sort == "file":
            return columns
        return {name: [cells[i] for i in first] for name, cells in columns.items()}

    def order(self) -> np.ndarray:
        """The units, those at most risk first: within the horizon, or by mean remaining life."""
        if "failure_probability" in self.columns_of:
            return np.argsort(-self.columns_of["failure_probability"], kind="stable")
        return np.argsort(self.columns_of["mean"], kind="stable")

    def lines(self, unit: str | None) -> Iterator[str]:
        """The units at most risk."""
        n = self.ages.size
        if n == 0:
            yield "no unit is still running: rul.csv has no rows"
            return
        of = f", {printable(unit, 20)}" if unit else ""
        count = self._count(n)
        most = "shortest" if self.horizon is None else "most at risk"
        which = f"; the {SHOWN} {most}:" if n > SHOWN else ":"
        yield f"remaining life of {count} still running{of}{which}"
        columns = self.columns_of.items()
        rows = [
            (self.names[i], float(self.ages[i]), {name: float(c[i]) for name, c in columns})
            for i in self.order()[:SHOWN]
        ]
        yield from running_table(rows, self.level, self.horizon)

    def _count(self, n: int) -> str:
        """How many units run; rows stand for other numbers of them where they have weights."""
        if self.weight is None:
            return how_many(n, "unit")
        return f"{how_many(float(self.weight[self.rows].sum()), 'unit')} in {how_many(n, 'row')}"


def running_table(
    units: Sequence[tuple[str, float, dict[str, float]]], level: float, horizon: float | None
) -> Iterator[str]:
    """Lines about units still running: name, age and columns of remaining life of each."""
    head = ["unit", "age", "mean", f"{100 * level:g}% bounds", "10% fail by", "50% by", "90% by"]
    if horizon is not None:
        head.append(f"P(fails in {plain(horizon, 6)})")
    rows = []
    for name, age, value in units:
        cells = [printable(name, 24), plain(age, 5), plain(value["mean"])]
        cells += [between(*(value[f"mean_{end}"] for end in ENDS))]
        cells += [plain(value[q]) for q in ("q10", "q50", "q90")]
        if horizon is not None:
            cells.append(plain(value["failure_probability"]))
        rows.append(cells)
    yield from table(head, rows)
