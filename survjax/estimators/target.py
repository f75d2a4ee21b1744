"""The target of a regression: when each unit failed, in any of the forms that people have it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import narwhals.stable.v1 as nw
import numpy as np
from narwhals.exceptions import DuplicateError
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.exceptions import DataConversionWarning

from survjax._core.annotations import Covariates
from survjax._core.callers import users_level
from survjax._core.validation import (
    as_column,
    as_floats,
    check_events,
    check_length,
    missing,
)
from survjax.data.event_names import is_event_column
from survjax.data.labels import rows_by_position
from survjax.data.observations import Observations
from survjax.estimators.covariates import check_covariates, repeated
from survjax.estimators.messages import FitWarning, none_failed


class SurvivalRegressor(RegressorMixin):
    """A regression of survival, as scikit-learn should know it."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.positive_only = True
        # The score is a log-likelihood or a concordance, not a coefficient of determination.
        tags.regressor_tags.poor_score = True
        return tags


class SurvivalTarget(NamedTuple):
    """A checked target.

    Attributes
    ----------
    durations : array of shape (n,)
        Time to failure or survived so far; the lower bounds of intervals.
    event : array of shape (n,)
        True where the failure was seen exactly.
    upper : array of shape (n,) or None
        Upper bounds (inf: still running), where failures are known by intervals.
    events_given : bool
        False where y held durations alone, so that all count as failures.
    """

    durations: np.ndarray
    event: np.ndarray
    upper: np.ndarray | None = None
    events_given: bool = True

    def observations(
        self,
        entry: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        **rounding: Any,
    ) -> Observations:
        """Rows for the likelihood; every value is checked.

        `resolution` and `rounding` may say how durations were rounded.
        """
        given: dict[str, Any] = {"entry": entry, "exit": exit, "sample_weight": sample_weight}
        if self.upper is not None:
            return Observations.from_intervals(self.durations, self.upper, **given)
        return Observations.from_durations(self.durations, self.event, **given, **rounding)


@rows_by_position
def survival_target(
    lower: ArrayLike, upper: ArrayLike | None = None, *, event_observed: ArrayLike | None = None
) -> np.ndarray:
    """Make a target for `fit(X, y)` and cross-validation, of intervals or of durations and events.

    Parameters
    ----------
    lower, upper : array-like of shape (n,)
        Each unit failed in (lower, upper]. lower == upper is an exact failure, upper = inf a
        unit still running, lower = 0 one found failed at its first inspection. Or durations and
        booleans: whether each unit failed at its duration, or still ran. Numbers that are 0 and 1
        only, some of them below their durations, can be no upper bounds: they are read so too.
    event_observed : array-like of shape (n,), optional
        Which durations ended in a failure, in the place of `upper`.

    Returns
    -------
    structured array of shape (n,)
        With fields `lower` and `upper`, or `duration` and `failed`: split it like any target.

    Examples
    --------
    >>> from survjax import survival_target
    >>> survival_target([3.0, 0.0, 5.0], [4.0, 2.0, float("inf")])["upper"]
    array([ 4.,  2., inf])
    >>> survival_target([3.0, 5.0], [True, False])["failed"]
    array([ True, False])
    """
    low = as_floats(lower, "lower")
    n = low.shape[0]
    if upper is None and event_observed is not None:
        return _joined(duration=low, failed=check_events(event_observed, n))
    if upper is None or event_observed is not None:
        raise TypeError("survival_target takes upper or event_observed, and one of them only")
    if as_column(upper, "upper").dtype.kind == "b" or _are_events(low, upper):
        return _joined(duration=low, failed=check_events(np.asarray(upper), n, "upper"))
    high = as_floats(upper, "upper")
    check_length(high, n, "upper")
    return _joined(lower=low, upper=high)


def _joined(**columns: np.ndarray) -> np.ndarray:
    """Columns of one length as the fields of one array."""
    both = np.empty(next(iter(columns.values())).size, [(n, c.dtype) for n, c in columns.items()])
    for name, column in columns.items():
        both[name] = column
    return both


def _are_events(low: np.ndarray, upper: ArrayLike) -> bool:
    """Whether numbers that were given as upper bounds say which units failed."""
    high = as_floats(upper, "upper")
    return high.shape == low.shape and bool(np.isin(high, (0, 1)).all() and (high < low).any())


def check_survival_y(y: ArrayLike | None) -> SurvivalTarget:
    """Read durations, (duration, event) pairs, a structured array or frame, or intervals.

    Parameters
    ----------
    y : array-like
        Durations of shape (n,), all failed; columns (duration, event) of shape (n, 2); a
        structured array or frame with one boolean field, the event, and one of durations; or
        what `survival_target` returns.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if y is None:
        raise ValueError("this estimator requires y to be passed, but the target y is None")
    fields = _fields(y)
    if fields is not None:
        return _from_fields(fields)
    if isinstance(y, np.ma.MaskedArray) and np.ma.is_masked(y):
        row = int(np.argwhere(np.ma.getmaskarray(y))[0][0])
        raise ValueError(f"y has masked entries, the first in row {row}: drop those rows")
    array = np.asarray(y)
    if array.dtype.kind == "c":
        raise ValueError("Complex data not supported: y must be durations")
    if array.ndim == 2 and array.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected: durations of shape (n,)",
            DataConversionWarning,
            stacklevel=users_level(),
        )
        array = array[:, 0]
    if array.ndim == 2 and array.shape[1] == 2:
        durations = as_floats(array[:, 0], "the durations in y")
        return SurvivalTarget(durations, check_events(array[:, 1], len(array), "the events in y"))
    if array.ndim != 1:
        raise ValueError(
            f"y must be durations (n,), pairs (duration, event) of shape (n, 2), or a structured "
            f"array, got an array of shape {array.shape}"
        )
    _no_missing(array)
    everyone = np.ones(array.shape[0], bool)
    return SurvivalTarget(as_floats(array, "y"), everyone, events_given=False)


def _no_missing(array: np.ndarray) -> None:
    """Refuse missing and infinite durations in scikit-learn's words, with the row."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array))[0])
        what = "NaN" if np.isnan(array[row]) else "infinity"
        raise ValueError(f"Input y contains {what} in row {row}: drop these rows")


def _fields(y: Any) -> dict[str, np.ndarray] | None:
    """Named columns of a structured array or a frame, if it is one."""
    names = getattr(getattr(y, "dtype", None), "names", None)
    if names is not None:
        return {str(name): _plain(np.asarray(y[name])) for name in names}
    try:
        table = nw.from_native(y, eager_only=True, pass_through=True)
    except DuplicateError as error:
        raise ValueError(
            f"several columns of y have one name: {repeated(y)}. Give each a name of its own"
        ) from error
    if not isinstance(table, nw.DataFrame):
        return None
    columns = ((name, table[:, j].to_numpy()) for j, name in enumerate(table.columns))
    return {str(name): _plain(column) for name, column in columns}


def _plain(column: np.ndarray) -> np.ndarray:
    """A column of Python objects as booleans or numbers, where it is nothing else."""
    if column.dtype.kind != "O":
        return column
    if all(isinstance(v, (bool, np.bool_)) for v in column):
        return column.astype(bool)
    if all(isinstance(v, (int, float, np.number)) for v in column):
        return column.astype(np.float64)
    return column


def _from_fields(fields: dict[str, np.ndarray]) -> SurvivalTarget:
    """Intervals by name; otherwise the boolean field is the event and the other the duration."""
    if set(fields) == {"lower", "upper"}:
        lower = as_floats(fields["lower"], "lower")
        upper = as_floats(fields["upper"], "upper")
        return SurvivalTarget(lower, lower == upper, upper)
    if len(fields) == 1:
        return check_survival_y(next(iter(fields.values())))
    for name, column in fields.items():
        lost = missing(column)
        if lost.any():
            raise ValueError(
                f"{name} in y must not be missing, as it is in row {np.flatnonzero(lost)[0]} "
                f"({lost.sum()} such rows): drop these rows"
            )
    shown = ", ".join(f"{name} ({column.dtype})" for name, column in fields.items())
    flags = [name for name, column in fields.items() if column.dtype.kind == "b"]
    if len(fields) == 2 and not flags:
        flags = [n for n, c in fields.items() if c.dtype.kind in "iuf" and set(c) <= {0, 1}]
    if len(fields) != 2 or len(flags) != 1:
        raise ValueError(
            "y must have one boolean field, the event, and one of durations (or the fields lower "
            f"and upper), got {shown}: make the event True where the failure was seen, and leave "
            "other columns out"
        )
    name = next(name for name in fields if name != flags[0])
    durations = as_floats(fields[name], f"{name} in y")
    events = check_events(fields[flags[0]], durations.shape[0], f"{flags[0]} in y")
    return SurvivalTarget(durations, events)


def warn_of_events_in_x(names: Iterable[str] | None, x: np.ndarray, target: SurvivalTarget) -> None:
    """Warn where y holds durations alone, and a column of X looks like their events.

    Parameters
    ----------
    names : sequence of str or None
        Of the columns of x, where they have any.
    """
    if target.events_given or names is None:
        return
    found = [str(n) for n, column in zip(names, x.T, strict=True) if is_event_column(n, column)]
    if found:
        warnings.warn(
            f"y holds durations alone, so that all {target.durations.size} rows count as failures, "
            f"while column {found[0]!r} of X holds 0 and 1: if it says which units failed, pass "
            "it in y, such as numpy.column_stack([durations, failed]), and leave it out of X",
            FitWarning,
            stacklevel=users_level(),
        )


@rows_by_position
def checked_rows(
    model: Any,
    X: Covariates,
    y: ArrayLike | None,
    entry: ArrayLike | None,
    sample_weight: ArrayLike | None,
    reset: bool = True,
    **rounding: Any,
) -> tuple[Observations, np.ndarray]:
    """Rows and covariates of one length; with `reset` the model takes their number and names.

    `rounding` is what else `SurvivalTarget.observations` takes.
    """
    x = check_covariates(model, X, reset=reset)
    target = check_survival_y(y)
    rows = target.observations(entry, sample_weight, **rounding)
    if rows.n_rows != x.shape[0]:
        raise ValueError(f"X has {x.shape[0]} rows but y has {rows.n_rows}")
    if reset:
        warn_of_events_in_x(getattr(model, "feature_names_in_", None), x, target)
    return rows, x


def check_failures(rows: Observations) -> None:
    """Refuse rows without failures, and a single one."""
    if rows.n_events == 0:
        raise none_failed(rows.n_units)
    if rows.n_rows == 1:
        raise ValueError("Found 1 sample: a regression needs several units")
