"""Histories for a fit: an event log and a table of readings become rows of covariates."""

from __future__ import annotations

import numpy as np
import pandas as pd


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
    readings : DataFrame
        Columns `unit` and `time`; all others are covariates.
    unit, end, failed, time : str
        Names of these columns.
    start : str, optional
        Column with the beginning of each life; zero by default.
    per : str, default "D"
        Unit of time of the result, where times are dates: any of pandas' (such as "h").

    Returns
    -------
    DataFrame
        Columns `life` (number of the row of `lives`), `unit`, `start`, `stop`, `event` and the
        covariates: pass `stop` and `event` as y, `start` as entry and `life` as unit. The unit
        of time is kept in `.attrs["per"]` where times were dates.

    Raises
    ------
    ValueError
        For missing columns, lives that end before they start, or lives without any reading.

    Examples
    --------
    >>> import pandas as pd
    >>> from survjax import history_rows
    >>> lives = pd.DataFrame({"unit": ["a"], "end": [10.0], "failed": [True]})
    >>> readings = pd.DataFrame({"unit": ["a", "a"], "time": [0.0, 4.0], "load": [1.0, 2.0]})
    >>> history_rows(lives, readings)[["start", "stop", "event", "load"]].to_numpy().tolist()
    [[0.0, 4.0, False, 1.0], [4.0, 10.0, True, 2.0]]
    """
    _need(lives, [unit, end, failed, *([start] if start else [])], "lives")
    _need(readings, [unit, time], "readings")
    covariates = [name for name in readings.columns if name not in (unit, time)]
    table = lives[[unit, failed]].copy()
    table["life"] = np.arange(len(lives))
    dated = pd.api.types.is_datetime64_any_dtype(lives[end])
    begin = lives[start] if start else pd.Series(0.0, index=lives.index)
    if dated and not start:
        raise ValueError("lives that end on a date need a start: name its column in start=")
    table["begin"], table["end"] = begin, lives[end]
    wrong = ~(table["end"] > table["begin"])
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"life in row {row} of lives does not end after it starts")
    joined = _assigned(table, readings, unit, time)
    key = [unit, "life"]
    joined = joined.sort_values([*key, time], kind="stable")
    # Of readings at or before the beginning only the last one counts.
    early = joined[time] <= joined["begin"]
    last_early = ~joined[early].duplicated(key, keep="last")
    joined = pd.concat([joined[early][last_early], joined[~early]]).sort_values([*key, time])
    joined[time] = joined[time].where(joined[time] > joined["begin"], joined["begin"])
    joined = joined[~joined.duplicated([*key, time], keep="last")]
    following = joined.groupby("life")[time].shift(-1)
    stop = following.where(following.notna(), joined["end"])
    unread = set(table["life"]) - set(joined["life"])
    if unread:
        raise ValueError(
            f"{len(unread)} lives have no reading before their end, the first in row "
            f"{min(unread)} of lives: drop them, or add a reading"
        )
    columns = {
        "life": joined["life"],
        unit: joined[unit],
        "start": joined[time] - joined["begin"],
        "stop": stop - joined["begin"],
        "event": joined[failed].astype(bool) & following.isna(),
    }
    found = pd.DataFrame(columns | {name: joined[name] for name in covariates})
    if dated:
        for name in ("start", "stop"):
            found[name] = found[name] / pd.Timedelta(1, per)
        found.attrs["per"] = per
    return found.reset_index(drop=True)


def _assigned(table: pd.DataFrame, readings: pd.DataFrame, unit: str, time: str) -> pd.DataFrame:
    """Each reading beside every life of its unit that it says something of."""
    joined = readings.merge(table, on=unit, how="inner")
    return joined[joined[time] < joined["end"]]


def _need(frame: pd.DataFrame, names: list[str], what: str) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise ValueError(
            f"{what} has no column {missing[0]!r}: it has {', '.join(map(str, frame.columns))}"
        )
