"""Histories for a fit: an event log and a table of readings become rows of covariates."""

from __future__ import annotations

from typing import Any, NamedTuple

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd

from survjax._core.validation import as_floats, check_events, check_rows
from survjax.data.times import merge_rounding

#: Columns of the result, which covariates must not be named like.
MADE = ("life", "start", "stop", "event")


def history_rows(
    lives: pd.DataFrame,
    readings: pd.DataFrame,
    *,
    unit: str = "unit",
    end: str = "end",
    failed: str = "failed",
    time: str = "time",
    start: str | None = None,
    per: str = "D",
) -> pd.DataFrame:
    """Join lives with readings into rows (unit, start, stop, event, covariates).

    Each reading holds from its time to the next one of the same life (an as-of join); the last
    one before a life began holds at its beginning. Where the first reading comes later, the
    history begins with it: the unit enters late, and nothing is guessed of the time before.

    Parameters
    ----------
    lives : DataFrame
        One row for each life: columns `unit`, `end`, `failed` (True: failed at its end, False:
        still running or taken out) and, if named, `start`. One unit may have several lives.
        Tables of polars and pyarrow are taken too.
    readings : DataFrame
        Columns `unit` and `time`; all others are covariates. Of several readings at one time the
        last counts.
    unit, end, failed, time : str
        Names of these columns.
    start : str, optional
        Column with the beginning of each life; zero by default.
    per : str, default "D"
        Unit of time of the result, where times are dates or time differences: any of pandas'
        (such as "h").

    Returns
    -------
    DataFrame
        Columns `life` (number of the row of `lives`), `unit`, `start`, `stop`, `event` and the
        covariates, sorted by life and time: pass `stop` and `event` as y, `start` as entry and
        `life` as unit. The unit of time is kept in `.attrs["per"]` where times were dates.

    Raises
    ------
    ValueError
        For missing columns and values, times that cannot be compared, covariates named like a
        column of the result, lives that end before they start, or lives without any reading.

    Examples
    --------
    >>> import pandas as pd
    >>> from survjax import history_rows
    >>> lives = pd.DataFrame({"unit": ["a"], "end": [10.0], "failed": [True]})
    >>> readings = pd.DataFrame({"unit": ["a", "a"], "time": [0.0, 4.0], "load": [1.0, 2.0]})
    >>> history_rows(lives, readings)[["start", "stop", "event", "load"]].to_numpy().tolist()
    [[0.0, 4.0, False, 1.0], [4.0, 10.0, True, 2.0]]
    """
    lives = _table(lives, [unit, end, failed, *([start] if start else [])], "lives")
    readings = _table(readings, [unit, time], "readings")
    covariates = [name for name in readings.columns if name not in (unit, time)]
    _check_names(covariates, unit)
    begin, stop, read = _clock(lives, readings, start, end, time)
    event = check_events(lives[failed].to_numpy(), len(lives), f"{failed!r} of lives")
    found = _join(_units(lives[unit], readings[unit]), begin, stop, read)
    dated = begin.dtype.kind in "mM"
    length = _length(per) if dated else 1.0
    table = pd.DataFrame(
        {
            "life": found.life,
            unit: lives[unit].array.take(found.life),
            "start": (found.start - begin[found.life]) / length,
            "stop": (found.stop - begin[found.life]) / length,
            "event": event[found.life] & found.last,
            **{name: readings[name].array.take(found.reading) for name in covariates},
        }
    )
    if dated:
        table.attrs["per"] = per
    return table


def _check_names(covariates: list[Any], unit: str) -> None:
    """Refuse names that the result has for something else."""
    taken = [name for name in covariates if name in MADE] + [unit] * (unit in MADE)
    if taken:
        raise ValueError(
            f"the column {taken[0]!r} has the name of a column of the result "
            f"({', '.join(MADE)}): rename it first"
        )


def _clock(
    lives: pd.DataFrame, readings: pd.DataFrame, start: str | None, end: str, time: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """When lives begin and end, and when readings were taken, on one clock."""
    stop, kind = _times(lives[end], f"{end!r} of lives")
    read, other = _times(readings[time], f"{time!r} of readings")
    kinds_of = {f"{end!r} of lives": kind, f"{time!r} of readings": other}
    if start:
        begin, kinds_of[f"{start!r} of lives"] = _times(lives[start], f"{start!r} of lives")
    elif stop.dtype.kind == "M":
        raise ValueError("lives that end on a date need a start: name its column in start=")
    else:
        begin = np.zeros_like(stop)
    if len(set(kinds_of.values())) > 1:
        words = ", ".join(f"{label} holds {what}" for label, what in kinds_of.items())
        raise ValueError(f"times must all be of one kind, got: {words}. Convert them to one")
    if stop.dtype.kind == "f":
        # Readings at the end of a life, but for rounding, are no rows of it.
        cuts = np.cumsum([begin.size, stop.size])
        merged = merge_rounding(np.concatenate([begin, stop, read]), stop - begin)
        begin, stop, read = np.split(merged, cuts)
    wrong = ~(stop > begin)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"life in row {row} of lives does not end after it starts")
    return begin, stop, read


class _Rows(NamedTuple):
    """Which life and reading each row is of, from when to when, and whether it ends the life."""

    life: np.ndarray
    reading: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    last: np.ndarray


def _join(
    units: tuple[np.ndarray, np.ndarray], begin: np.ndarray, stop: np.ndarray, time: np.ndarray
) -> _Rows:
    """Each life with the readings that hold during it, by unit and time."""
    moments = np.unique(np.concatenate([begin, stop, time]))

    def key(unit: np.ndarray, moment: np.ndarray) -> np.ndarray:
        return unit.astype(np.int64) * moments.size + np.searchsorted(moments, moment)

    mine, theirs = units
    place = key(theirs, time)
    order = np.argsort(place, kind="stable")
    order = order[np.append(place[order][1:] != place[order][:-1], True)[: order.size]]
    place = place[order]
    # From the last reading at or before the beginning, or else the first one of the unit.
    first = np.searchsorted(place, key(mine, begin), side="right") - 1
    first = np.maximum(first, np.searchsorted(place, mine.astype(np.int64) * moments.size))
    size = np.searchsorted(place, key(mine, stop)) - first
    if (size <= 0).any():
        unread = np.flatnonzero(size <= 0)
        raise ValueError(
            f"{unread.size} lives have no reading before their end, the first in row "
            f"{unread[0]} of lives: drop them, or add a reading"
        )
    life = np.repeat(np.arange(size.size), size)
    ends = np.cumsum(size)
    reading = order[np.arange(life.size) - np.repeat(ends - size - first, size)]
    since = np.maximum(time[reading], begin[life])
    last = np.zeros(life.size, bool)
    last[ends - 1] = True
    until = np.append(since[1:], since[:1])
    return _Rows(life, reading, since, np.where(last, stop[life], until), last)


def _table(frame: Any, names: list[str], what: str) -> pd.DataFrame:
    """A frame of any library as one of pandas, with columns of different names."""
    if not isinstance(frame, pd.DataFrame):
        table = nw.from_native(frame, eager_only=True, pass_through=True)
        if not isinstance(table, nw.DataFrame):
            advice = "collect it first" if hasattr(frame, "collect") else "make a DataFrame of it"
            raise ValueError(f"{what} must be a DataFrame, got {type(frame).__name__}: {advice}")
        frame = table.to_pandas()
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise ValueError(
            f"{what} has no column {missing[0]!r}: it has {', '.join(map(str, frame.columns))}"
        )
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice or not frame.columns.is_unique:
        name = twice[0] if twice else frame.columns[frame.columns.duplicated()][0]
        used = "is named for two things" if twice else "occurs twice"
        raise ValueError(f"column {name!r} of {what} {used}: each needs a column of its own")
    return frame


def _units(mine: pd.Series, theirs: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """A number for each unit, in lives and in readings."""
    for units, what in ((mine, "lives"), (theirs, "readings")):
        if units.isna().any():
            row = int(np.flatnonzero(units.isna())[0])
            raise ValueError(f"{units.name!r} of {what} is missing in row {row}: drop such rows")
    # As they are: 1 and "1" are different units.
    both = [mine, theirs]
    if mine.dtype != theirs.dtype:
        both = [units.astype(object) for units in both]
    code = pd.factorize(pd.concat(both, ignore_index=True))[0]
    mine_code, theirs_code = code[: len(mine)], code[len(mine) :]
    if len(mine) and len(theirs) and not np.isin(mine_code, theirs_code).any():
        raise ValueError(
            f"lives and readings have no unit in common: they hold {mine.iloc[0]!r} "
            f"({mine.dtype}), ... and {theirs.iloc[0]!r} ({theirs.dtype}), ..."
        )
    return mine_code, theirs_code


def _times(column: pd.Series, label: str) -> tuple[np.ndarray, str]:
    """A column of times, none missing, and its kind: dates, time differences or numbers."""
    inferred = pd.api.types.infer_dtype(column, skipna=True) if column.dtype == object else ""
    if inferred in ("date", "datetime", "datetime64"):
        column = pd.to_datetime(column)
    elif inferred in ("timedelta", "timedelta64"):
        column = pd.to_timedelta(column)
    if column.isna().any():
        row = int(np.flatnonzero(column.isna())[0])
        raise ValueError(f"{label} is missing in row {row}: drop such rows, or fill it")
    if pd.api.types.is_datetime64_any_dtype(column):
        if column.dt.tz is None:
            return column.to_numpy("datetime64[ns]"), "dates"
        return column.dt.tz_convert(None).to_numpy("datetime64[ns]"), "dates with a time zone"
    if pd.api.types.is_timedelta64_dtype(column):
        return column.to_numpy("timedelta64[ns]"), "time differences"
    if inferred == "string" or pd.api.types.is_string_dtype(column.dtype):
        raise ValueError(
            f"{label} holds text, the first {column.iloc[0]!r}: convert it with pandas.to_datetime "
            "or pandas.to_numeric first"
        )
    numbers = as_floats(column.to_numpy(), label)
    check_rows(numbers, np.isfinite(numbers), label, "finite", "drop or correct these rows")
    return numbers, "numbers"


def _length(per: str) -> np.timedelta64:
    try:
        return pd.Timedelta(1, per).to_timedelta64()
    except ValueError:
        raise ValueError(
            f"per must be a unit of time of fixed length, such as 'D', 'h', 's' or 'W', got {per!r}"
        ) from None
