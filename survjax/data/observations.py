"""What is known of each unit: every kind of censoring and truncation in one pytree."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.pytree import data, pytree
from survjax._core.validation import (
    as_floats,
    check_events,
    check_length,
    check_rows,
    check_times,
    check_weights,
)
from survjax.data.labels import rows_by_position
from survjax.data.recording import check_rounding, equal_rows, recording_intervals, refuse_zeros
from survjax.data.safe_columns import safe_columns
from survjax.data.tables import Columns, Frame, ask_for_event
from survjax.data.truncation import check_truncation, trimmed


@pytree
class Observations:
    """Rows that each say where a lifetime lies, made by one of the `from_` constructors.

    A row is exact (failed at `lower`), right-censored (still running at `lower`) or an interval
    (failed in (lower, upper]; lower = 0 is left-censored). It may be truncated: the unit was
    only seen because it outlived `entry` (left) or failed by `exit` (right): bounds outside these
    are moved to them, and a unit that still ran fails before its exit. One row adds

        weight * [term - log P(entry < T <= exit)]

    to the log-likelihood. Columns that no row needs are None, so that plain right-censored data
    never compiles or runs the other branches.

    Attributes
    ----------
    lower, log_lower : array of shape (n,)
        The time, or the lower end of the interval, and its log; both are safe (one and zero)
        where the time is zero.
    event : array of shape (n,)
        1.0 for an exact failure, else 0.0.
    weight : array of shape (n,)
        How many units the row stands for; fractions are fine, zero is padding. Negative weights
        are those of truncation rows (`survjax.data.truncation_rows`) and count as no unit.
    upper, interval : array of shape (n,) or None
        The upper end, and 1.0 where the row is an interval.
    entry, exit : array of shape (n,) or None
        Truncation bounds: 0 and inf where a row has none.

    Examples
    --------
    >>> from survjax import Observations
    >>> rows = Observations.from_durations([3.0, 5.0, 5.0], [1, 0, 1])
    >>> rows.n_units, rows.n_events
    (3.0, 2.0)
    """

    lower: Any = data()
    log_lower: Any = data()
    event: Any = data()
    weight: Any = data()
    upper: Any = data(default=None)
    interval: Any = data(default=None)
    entry: Any = data(default=None)
    exit: Any = data(default=None)
    #: What sums over all rows, if not this process by itself, and whether these stand for more.
    everything: ClassVar[Any] = None
    is_compressed: ClassVar[bool] = False

    @classmethod
    @rows_by_position
    def from_durations(
        cls,
        durations: ArrayLike,
        event_observed: ArrayLike | None = None,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        resolution: float | str | None = None,
        rounding: str = "up",
        zeros: bool = False,
    ) -> Observations:
        """Build rows from durations and event flags.

        Parameters
        ----------
        durations : array-like of shape (n,)
            Time to failure, or time survived so far; any one unit of time.
        event_observed : array-like of shape (n,), optional
            True (1) where the failure was seen; all were by default.
        entry, exit : array-like of shape (n,), optional
            Age at which each unit came under observation (0: from the start), and the latest
            age at which its failure would have been recorded (inf: any). Exit is for tables of
            failures only; a unit still running in such a table fails between its duration and
            its exit.
        sample_weight : array-like of shape (n,), optional
            How many units each row stands for.
        resolution : float or "auto", optional
            Width to which durations were rounded; exact failures become intervals of that
            width. "auto" finds it as the smallest gap between distinct durations.
        rounding : {"up", "nearest", "down"}, default "up"
            How they were rounded.
        zeros : bool, default False
            Whether units may fail at time zero, as `ZeroInflated` ones do.

        Raises
        ------
        ValueError
            For any row that cannot be a lifetime, with its number and value.
        """
        times = check_times(durations, "durations", zero=True)
        events = check_events(event_observed, n := times.shape[0])
        at_zero = (times == 0) & events
        if resolution is None and not zeros:
            refuse_zeros(times, at_zero)
        weights = check_weights(sample_weight, n)
        check_rounding(rounding)
        exact, lower, upper, last = events, times, None, times
        if resolution is not None:
            exact = np.zeros(n, bool)
            lower, upper = recording_intervals(times, events, resolution, rounding)
            last = np.where(events, upper, times)
        elif at_zero.any():
            exact, upper = events & ~at_zero, np.where(events, times, np.inf)
        entry, exit = check_truncation(entry, exit, lower, last, exact)
        if upper is None and exit is not None:
            upper = np.where(events, times, np.inf)
        if upper is not None:
            lower, upper = trimmed(lower, upper, exact, entry, exit)
        return cls(*safe_columns(lower, upper, exact, weights, entry, exit))

    @classmethod
    @rows_by_position
    def from_intervals(
        cls,
        lower: ArrayLike,
        upper: ArrayLike,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        zeros: bool = False,
    ) -> Observations:
        """Build rows from bounds: the unit failed in (lower, upper].

        Parameters
        ----------
        lower, upper : array-like of shape (n,)
            lower == upper is an exact failure; upper = inf is right-censored; lower = 0 (or
            -inf) is left-censored. A missing (NaN) lower or upper bound is read as 0 or inf.
        entry, exit, sample_weight, zeros
            As in `from_durations`. An interval from zero holds what failed at time zero.
        """
        low, high = as_floats(lower, "lower"), as_floats(upper, "upper")
        check_length(high, low.shape[0], "upper")
        low = check_times(np.where(np.isnan(low) | (low == -np.inf), 0.0, low), "lower", zero=True)
        high = np.where(np.isnan(high), np.inf, high)
        high = check_times(high, "upper", zero=True, infinite=True)
        check_rows(high, high >= low, "upper", "at least lower", "swap or correct these bounds")
        if not zeros:
            check_rows(high, high > 0, "upper", "positive", "a failure at time zero has no density")
        weights = check_weights(sample_weight, low.shape[0])
        exact = (low == high) & (high > 0)
        known = np.where(np.isinf(high), low, high)
        entry, exit = check_truncation(entry, exit, known, high, exact | np.isfinite(high))
        low, high = trimmed(low, high, exact, entry, exit)
        return cls(*safe_columns(low, high, exact, weights, entry, exit))

    @classmethod
    def from_frame(
        cls,
        frame: Frame,
        *,
        duration: str | None = None,
        event: str | None = None,
        lower: str | None = None,
        upper: str | None = None,
        entry: str | None = None,
        exit: str | None = None,
        weight: str | None = None,
        resolution: float | str | None = None,
        rounding: str = "up",
        zeros: bool = False,
    ) -> Observations:
        """Build rows from named columns of a pandas, polars or arrow table.

        Parameters
        ----------
        frame : table
            Anything that narwhals reads.
        duration, event : str, optional
            Columns for `from_durations`.
        lower, upper : str, optional
            Columns for `from_intervals`, instead of duration and event.
        entry, exit, weight : str, optional
            Columns of truncation bounds and weights.
        resolution, rounding, zeros
            As in `from_durations`.

        Warns
        -----
        UserWarning
            Where no event column is named, so that every row counts as a failure, and one that is
            called like an event holds 0 and 1.
        """
        column = Columns(frame)
        limits: dict[str, Any] = {"entry": column(entry), "exit": column(exit), "zeros": zeros}
        limits["sample_weight"] = column(weight)
        if duration is not None and lower is None and upper is None:
            if event is None:
                ask_for_event(column, [duration, entry, exit, weight])
            return cls.from_durations(
                column(duration), column(event), resolution=resolution, rounding=rounding, **limits
            )
        if duration is None and event is None and lower is not None and upper is not None:
            if resolution is not None:
                raise ValueError(
                    "resolution goes with duration: lower and upper already say how wide they are"
                )
            return cls.from_intervals(column(lower), column(upper), **limits)
        raise ValueError("name either duration (and event), or lower and upper")

    @property
    def few(self) -> Observations:
        """The rows that are at hand: these."""
        return self

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.lower.shape[0])

    @property
    def n_units(self) -> float:
        """Number of units: the sum of the weights, without those of truncation rows."""
        return float(np.sum(self._positive_weight))

    @property
    def n_events(self) -> float:
        """Number of failures seen, exactly or in an interval."""
        seen = self.event if self.interval is None else self.event + self.interval
        # Not a product of BLAS, which would wake threads for it.
        return float(np.einsum("i,i->", self._positive_weight, seen))

    @property
    def _positive_weight(self) -> np.ndarray:
        """The weights, with zero for rows that stand for truncation."""
        negative = self.weight.size and self.weight.min() < 0
        return np.maximum(self.weight, 0.0) if negative else self.weight

    def take(self, rows: np.ndarray | slice) -> Observations:
        """The chosen rows, in that order."""
        return self._map(lambda column: column[rows])

    def without_intervals(self) -> Observations:
        """Rows that are no intervals, without the columns that intervals need."""
        if self.interval is None:
            return self
        return dataclasses.replace(self.take(self.interval == 0), upper=None, interval=None)

    def reweighted(self, weight: Any) -> Observations:
        """The same rows with other weights."""
        return dataclasses.replace(self, weight=weight)

    def padded(self, size: int) -> Observations:
        """Rows of weight zero appended: copies of the first, so that no formula meets a NaN."""
        extra = size - self.n_rows
        if extra <= 0:
            return self
        filled = self._map(lambda column: np.concatenate([column, np.repeat(column[:1], extra)]))
        return filled.reweighted(np.concatenate([self.weight, np.zeros(extra)]))

    def _map(self, change: Any) -> Observations:
        """Apply a function to every column there is."""
        columns = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return Observations(**{k: None if v is None else change(v) for k, v in columns.items()})

    def compressed(self) -> Observations:
        """Equal rows merged into one whose weight is their sum: the same likelihood."""
        return self.merged()[0].without_padding()

    def merged(self, *also: np.ndarray) -> tuple[Observations, np.ndarray]:
        """Rows sorted, equal ones as one, and which row each was: equal in further columns too."""
        names = [f.name for f in dataclasses.fields(self) if f.name not in ("weight", "log_lower")]
        known = (getattr(self, name) for name in names)
        columns = [column for column in known if column is not None] + list(also)
        order, first = equal_rows(columns)
        weight = np.add.reduceat(self.weight[order], first)
        return self.take(order[first]).reweighted(weight), order[first]

    def without_padding(self) -> Observations:
        """Only the rows that have weight."""
        return self if self.weight.all() else self.take(np.flatnonzero(self.weight))
