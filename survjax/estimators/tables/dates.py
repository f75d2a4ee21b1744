"""Dates become ages: how long each unit ran, whether it failed, when it was first seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from survjax._core.time_units import DAYS
from survjax._core.validation import check_events
from survjax.data.labels import rows_by_position
from survjax.estimators.frames import frame

#: Short forms of pandas, and the singular.
ALSO = {"s": "seconds", "min": "minutes", "h": "hours", "D": "days", "W": "weeks"}
ALSO |= {name[:-1]: name for name in DAYS}


@rows_by_position
def durations_from_dates(
    start: ArrayLike,
    end: ArrayLike,
    *,
    as_of: Any = None,
    failed: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    per: str = "days",
) -> pd.DataFrame:
    """Turn dates into the ages and failures that every estimator takes.

    Parameters
    ----------
    start : array-like of dates, shape (n,)
        When each unit went into service.
    end : array-like of dates, shape (n,)
        When it failed; missing where it still runs.
    as_of : date, optional
        The last day on which the units that still run were known to run: that of the extract. It is
        required if an `end` is missing.
    failed : array-like of bool, shape (n,), optional
        Whether the unit failed at its `end`. False: it was taken out of service running. By
        default every unit with an end failed.
    entry : date or array-like of dates, shape (n,), optional
        When each unit, or all of them, came under observation: where a register began after some
        units went into service, those that had failed before are missing from it. Missing: from
        the start on.
    per : {"days", "weeks", "months", "years", "hours", "minutes", "seconds"}, default "days"
        Unit of time of the result. A month is 365.25 / 12 days, a year 365.25 days.

    Returns
    -------
    DataFrame
        `duration`, the age at the end or at `as_of`; `failed`, a bool; and `entry`, the age when
        first under observation (0 if from new), where `entry` is given. The index is that of
        `start`.

    Raises
    ------
    ValueError
        If a date is missing or cannot be read, if a unit ends before it starts or after `as_of`, or
        was not under observation before its end.

    Notes
    -----
    Dates are anything that pandas takes for dates, or text in the form of ISO 8601 (2024-01-31).
    Other text is refused, since 03/04/2024 may be either of two days: read it with
    `pandas.to_datetime(column, format=...)` first.

    Examples
    --------
    >>> from survjax import durations_from_dates
    >>> durations_from_dates(
    ...     ["2020-01-01", "2021-06-01"], ["2022-01-01", None], as_of="2024-06-01", per="years"
    ... ).round(3)
       duration  failed
    0     2.001    True
    1     3.001   False
    """
    days = _days(per)
    begin = _dates(start, "start")
    if begin.isna().any():
        row = _first(begin.isna())
        raise ValueError(f"start is missing in row {row}: drop such units, or fill it")
    n = len(begin)
    stop = _of_all(end, n, "end")
    running = stop.isna().to_numpy()
    at_end = ~running if failed is None else check_events(np.asarray(failed), n, "failed")
    if np.any(at_end & running):
        row = _first(at_end & running)
        raise ValueError(f"failed is true in row {row}, which has no end: fill in the date")
    stop = stop.where(~running, _last_day(as_of, stop, running))
    _in_order(begin, stop, "end", "as_of is before its start" if running.any() else "")
    columns = {"duration": _between(begin, stop) / days, "failed": at_end}
    if entry is not None:
        seen = _of_all(entry, n, "entry").where(lambda x: x.notna(), begin)
        late = np.maximum(_between(begin, seen), 0.0) / days
        bad = late >= columns["duration"]
        if np.any(bad & (late > 0)):
            row = _first(bad & (late > 0))
            raise ValueError(
                f"the unit in row {row} came under observation ({seen.iloc[row].date()}) when it "
                "had ended already: drop such units, since others like them are missing"
            )
        columns["entry"] = late
    return frame(columns, start)


def _days(per: str) -> float:
    """Days in the unit of time of the result."""
    name = ALSO.get(per, per) if isinstance(per, str) else ""
    if name not in DAYS:
        raise ValueError(f"per must be one of {', '.join(DAYS)}, got {per!r}")
    return DAYS[name]


def _last_day(as_of: Any, stop: pd.Series, running: np.ndarray) -> pd.Timestamp:
    """The day of the extract, which must be known where units still run."""
    if as_of is None:
        if running.any():
            raise ValueError(
                f"end is missing in {_rows(running)}: such units still run, so pass as_of=, the "
                "day on which that was known"
            )
        return pd.NaT
    last = _dates([as_of], "as_of").iloc[0]
    if pd.isna(last):
        raise ValueError("as_of must be a date, got a missing one")
    # A day without a time of day is over when the next one begins.
    until = last + pd.Timedelta(1, "D") if last == last.normalize() else last
    after = (stop >= until).to_numpy() & (stop > last).to_numpy()
    if after.any():
        row = _first(after)
        raise ValueError(
            f"end is after as_of ({last.date()}) in {_rows(after)} "
            f"({stop.iloc[row].date()}): correct the dates, or pass a later as_of"
        )
    return last


def _in_order(begin: pd.Series, stop: pd.Series, name: str, otherwise: str) -> None:
    wrong = (stop < begin).to_numpy()
    if wrong.any():
        row = _first(wrong)
        why = f" (or {otherwise})" if otherwise else ""
        raise ValueError(
            f"the unit in row {row} ends ({stop.iloc[row].date()}) before it starts "
            f"({begin.iloc[row].date()}){why}: correct or drop such rows"
        )


def _of_all(values: Any, n: int, name: str) -> pd.Series:
    """Dates (n,): one for each row, or one for all."""
    one = isinstance(values, str) or np.ndim(values) == 0
    found = _dates([values] * n if one else values, name)
    if len(found) != n:
        raise ValueError(f"{name} has {len(found)} entries and start {n}: one for each unit")
    return found


def _dates(values: Any, name: str) -> pd.Series:
    """Dates without a time zone (n,), NaT where missing."""
    column = pd.Series(np.asarray(values, object) if isinstance(values, list | tuple) else values)
    column = column.reset_index(drop=True)
    if column.dtype.kind in "iufb":
        if column.isna().all():
            return pd.Series(pd.NaT, index=column.index)
        raise ValueError(f"{name} must hold dates, got numbers: is it an age already?")
    try:
        form = "ISO8601" if column.dtype.kind != "M" else None
        found = pd.to_datetime(column, format=form)
    except (ValueError, TypeError, OverflowError):
        bad = pd.to_datetime(column, format="ISO8601", errors="coerce").isna() & column.notna()
        row = _first(bad.to_numpy()) if bad.any() else 0
        raise ValueError(
            f"{name} holds {column.iloc[row]!r} in row {row}, which is no date such as 2024-01-31: "
            "convert the column with pandas.to_datetime(column, format=...) first"
        ) from None
    return found.dt.tz_convert(None) if found.dt.tz is not None else found


def _between(begin: pd.Series, stop: pd.Series) -> np.ndarray:
    """Days from one date to another (n,)."""
    length: np.ndarray = ((stop - begin) / pd.Timedelta(1, "D")).to_numpy(float)
    return length


def _rows(where: np.ndarray) -> str:
    """How many rows are marked, and the first of them."""
    n = int(where.sum())
    return f"row {_first(where)}" if n == 1 else f"{n} rows, the first row {_first(where)}"


def _first(where: np.ndarray) -> int:
    """The first row of those marked."""
    return int(np.flatnonzero(where)[0])
