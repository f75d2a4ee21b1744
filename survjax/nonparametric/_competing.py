"""Several causes of failure: the Aalen-Johansen estimate of each cause's share."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import check_length, missing
from survjax.data.labels import rows_by_position
from survjax.nonparametric._step import StepCurve
from survjax.nonparametric.product_limit import (
    normal_quantile,
    survival_bounds,
    survival_curve,
    warn_of_late_entries,
)
from survjax.nonparametric.risk_table import RiskTable, place
from survjax.nonparametric.rows import Floats, Ints, check_lives

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CumulativeIncidence", "aalen_johansen"]


#: What a cause reads as, in lower case, where a missing one or a 0 was turned into text.
NO_CAUSE = ("0", "0.0", "false", "none", "nan", "na", "n/a", "<na>", "null", "nat")


@dataclass(frozen=True, repr=False)
class CumulativeIncidence:
    """One cumulative incidence curve for each cause, and the survival of all.

    Parameters
    ----------
    curves : mapping
        Cause -> StepCurve of P(failed of that cause by t). All share the times at which
        any cause struck; ``events`` counts the cause's own.
    survival : StepCurve
        P(no failure of any cause by t); with the curves it adds up to 1.

    Examples
    --------
    >>> shares = aalen_johansen([3, 5, 6, 8], ["wear", None, "shock", "wear"])
    >>> shares.causes, float(shares["shock"](7)), float(shares.survival(7))
    (('shock', 'wear'), 0.375, 0.375)
    """

    curves: Mapping[Hashable, StepCurve]
    survival: StepCurve

    def __repr__(self) -> str:
        causes = ", ".join(repr(cause) for cause in self.causes) or "none"
        return f"<CumulativeIncidence: causes {causes}; survival {self.survival!r}>"

    @property
    def causes(self) -> tuple[Hashable, ...]:
        """The causes, sorted."""
        return tuple(self.curves)

    def __getitem__(self, cause: Hashable) -> StepCurve:
        """Return the curve of one cause."""
        return self.curves[cause]

    def plot(self, ax: Axes | None = None, *, unit: str | None = None) -> Axes:
        """Draw the curve of each cause with its bounds, up to the end of follow-up.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.
        unit : str, optional
            Unit of time, for the label of the axis.

        Returns
        -------
        matplotlib Axes
        """
        from survjax.plotting import plot_steps

        fresh = ax is None
        if not self.curves:
            raise ValueError("no unit failed of any cause: there is no curve to draw")
        ax = plot_steps(self.curves, ax, unit=unit)
        if fresh:
            ax.set_title("Cumulative incidence", loc="left", fontsize="large")
            ax.set_ylabel("share ended")
        return ax


@rows_by_position
def aalen_johansen(
    durations: ArrayLike,
    causes: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
    transform: str = "log-log",
) -> CumulativeIncidence:
    """Estimate the probability of having failed of each cause by each time.

    ``F_k(t) = sum over s <= t of S(s-) d_ks / n_s`` with S the Kaplan-Meier curve of all
    causes together. One minus a Kaplan-Meier curve that treats other causes as censoring
    overstates this share.

    Parameters
    ----------
    durations : array-like of shape (n,)
        How long each unit has lasted, in any one unit of time.
    causes : array-like of shape (n,)
        Why each unit failed: whole numbers or labels. 0, False, None, NA, NaN and "" mean
        that it still ran. Text such as "0" or "nan" is refused: it may be either.
    entry, sample_weight
        As in :func:`~survjax.nonparametric.kaplan_meier`.
    level : float
        Confidence level of the pointwise bounds.
    transform : {"log-log", "log", "plain"}
        Scale on which the bounds are symmetric.

    Returns
    -------
    CumulativeIncidence
        ``result[cause]`` is the curve of one cause. Its variance is the delta method's for
        multinomial steps, which is Greenwood's where there is one cause. Beyond the end of
        follow-up the curves are NaN, unless all units at risk had failed.

    Warns
    -----
    UserWarning
        As :func:`~survjax.nonparametric.kaplan_meier`, where late entry leaves nobody
        under observation.

    Raises
    ------
    ValueError
        If a row is missing, negative or infinite, or a cause is text that reads like none.

    References
    ----------
    Aalen and Johansen (1978), Scandinavian Journal of Statistics 5; Marubini and Valsecchi
    (1995), section 10.2, for the variance.

    Examples
    --------
    >>> aalen_johansen([1, 2, 2, 4], [1, 2, 0, 1])[1].values.round(4).tolist()
    [0.25, 0.25, 0.75]
    """
    labels, code = _check_causes(causes, np.size(durations))
    rows = check_lives(durations, code > 0, entry, sample_weight)
    placed = place(rows, rows.event_observed)
    events = placed.failing(code, len(labels) + 1)[1:]
    table = RiskTable(placed.times, events.sum(axis=0), placed.left()[0], placed.end)
    survival = survival_curve(table, level, transform, rows.watched())
    warn_of_late_entries(rows, survival)
    z = normal_quantile(level)
    curves: dict[Hashable, StepCurve] = {}
    for number, label in enumerate(labels):
        others = np.delete(events, number, axis=0).sum(axis=0)
        values, variance = _incidence(table, survival, events[number], others)
        error = np.sqrt(variance) / np.where(values > 0, values, 1.0)
        lower, upper = survival_bounds(values, error, z, transform)
        curves[label] = StepCurve(
            times=table.times,
            values=values,
            lower=lower,
            upper=upper,
            at_risk=table.at_risk,
            events=events[number],
            variance=variance,
            initial=0.0,
            end=table.end,
            complete=survival.complete,
            watched=survival.watched,
            quantity="cumulative incidence",
        )
    return CumulativeIncidence(curves, survival)


def _incidence(
    table: RiskTable, survival: StepCurve, own: Floats, others: Floats
) -> tuple[Floats, Floats]:
    """Return the incidence of a cause at each event time, and its variance."""
    before = np.concatenate([[1.0], survival.values])[:-1]
    steps = before * own / table.at_risk
    values, rest = np.cumsum(steps), before * others / table.at_risk
    variance = _variance(before, survival.values, (steps, rest), (own, others), table)
    # While no other cause has struck it is what survival lacks of 1: exactly 1 where nobody is
    # left. A small share has more digits as a sum.
    alone = np.cumsum(others) == 0
    values = np.minimum(np.where(alone & (values > 0.5), 1.0 - survival.values, values), 1.0)
    return values, variance


def _variance(
    before: Floats,
    after: Floats,
    steps: tuple[Floats, Floats],
    events: tuple[Floats, Floats],
    table: RiskTable,
) -> Floats:
    """Return the variance of a cumulative incidence F at each time, with G that of other causes.

    It is the sum over s <= t of

        (F(t) - F(s))^2 d / (n (n - d)) + S(s-)^2 d_k (n - d_k) / n^3
            - 2 (F(t) - F(s)) S(s-) d_k / n^2

    and, as S(s) = S(t) + F(t) - F(s) + G(t) - G(s), of

        (d_k (S(t) + G(t) - G(s))^2 + d_o (F(t) - F(s))^2) / (n (n - d)) + S(s-)^2 d_k d_o / n^3

    with d_o failures of other causes. As F and G grow by a step, the sums of such differences and
    of their squares grow by multiples of the sums before: nothing is subtracted, and no digit lost.
    """
    (own, others), at_risk = events, table.at_risk
    ended = table.left == 0
    # After the last unit has failed nothing is still to come, and the first terms are 0.
    spread = np.where(ended, 0.0, 1.0 / (at_risk * np.where(ended, 1.0, table.left)))
    zeroth, first, second = _moments(own * spread, steps[1])
    variance = after**2 * zeroth + 2 * after * first + second
    variance += _moments(others * spread, steps[0])[2]
    return variance + np.cumsum(before**2 * own * others / at_risk**3)


def _moments(terms: Floats, steps: Floats) -> tuple[Floats, Floats, Floats]:
    """Sum terms at s <= t times 1, H(t) - H(s) and its square, for H that grows by the steps."""
    zeroth = _sum_before(terms)
    first = _sum_before(steps * zeroth)
    second = np.cumsum(2 * steps * first + steps**2 * zeroth)
    return np.cumsum(terms), np.cumsum(steps * zeroth), second


def _sum_before(terms: Floats) -> Floats:
    """Add up the terms before each."""
    return np.concatenate([[0.0], np.cumsum(terms)[:-1]]) if terms.size else terms


def _check_causes(causes: ArrayLike, size: int) -> tuple[list[Hashable], Ints]:
    """Return the sorted causes and each row's number of its cause, 0 for none."""
    array = np.asarray(causes)
    check_length(array, size, "causes")
    if array.dtype.kind in "iufb":
        struck = (array != 0) & ~missing(array)
        names, place_of = np.unique(array[struck], return_inverse=True)
        numbers = np.zeros(size, dtype=np.int64)
        numbers[struck] = place_of + 1
        return names.tolist(), numbers
    array = np.asarray(causes, dtype=object)
    plain = [value.item() if isinstance(value, np.generic) else value for value in array]
    running = missing(array)
    for row in np.flatnonzero(~running):
        value = plain[row]
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if not isinstance(text, str):
            running[row] = not value
        elif text.strip().lower() in NO_CAUSE:
            raise ValueError(
                f"causes has the text {text!r} in row {row}, which may mean that the unit still "
                "ran: pass numbers (0 = still running), None for such units, or another name"
            )
        else:
            running[row] = not text.strip()
    found = {value for value, none in zip(plain, running, strict=True) if not none}
    try:
        labels: list[Hashable] = sorted(found)
    except TypeError:
        labels = sorted(found, key=str)
    number = {label: i for i, label in enumerate(labels, start=1)}
    code = [0 if none else number[value] for value, none in zip(plain, running, strict=True)]
    return labels, np.array(code, dtype=np.int64)
