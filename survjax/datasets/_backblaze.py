"""Backblaze's hard drives: daily files folded into one row a drive."""

from pathlib import Path

import numpy as np
import pandas as pd

_DAILY = ("date", "serial_number", "model", "capacity_bytes", "failure", "smart_9_raw")
_KEY = ["serial_number", "model"]
_SUMMARY = {  # columns of the R package frailtySurv's hdfail, one row a drive
    "serial": "serial_number",
    "model": "model",
    "time": "duration",
    "status": "failed",
}


def load_backblaze(folder: str | Path) -> pd.DataFrame:
    """Read Backblaze's drive statistics, one row a drive.

    Reads the publisher's daily files (`2024-01-01.csv`, ..., in the folder or below it, also
    gzipped), one after the other, and keeps six of their columns. A drive's age is its power-on
    time (SMART 9) when first reported plus the days since then. Drives were running before the
    first report, so `entry` matters: leaving it out makes drives look too reliable. Drives that
    never report a power-on time are left out.

    A folder that has no daily files but `hdfail.csv` or `hdfail.csv.gz` (a snapshot of
    2013-14 kept by the R package frailtySurv) gives that table; it has no `entry`.

    Parameters
    ----------
    folder : str or Path
        Where the files are.

    Returns
    -------
    DataFrame
        `serial_number`, `model`, `capacity_bytes`; `entry` and `duration`, the ages in
        days when first reported and at the end of the last day (or of the day of failure);
        `failed`; `first_date` and `last_date`. From hdfail: `serial_number`, `model`,
        `duration`, `failed` and its covariates `temp`, `rsc`, `rer`, `psc`.

    Raises
    ------
    FileNotFoundError
        If the folder has neither.
    ValueError
        If a file lacks a column, or holds a failure flag other than 0 or 1, a negative age or
        something that is not a number.

    Examples
    --------
    >>> from survjax.datasets import load_backblaze
    >>> drives = load_backblaze("data_Q1_2024")  # doctest: +SKIP
    """
    root = Path(folder)
    daily = sorted(
        (path for ending in ("csv", "csv.gz") for path in root.rglob(f"????-??-??.{ending}")),
        key=lambda path: path.name,
    )
    if daily:
        return _fold(daily)
    for name in ("hdfail.csv", "hdfail.csv.gz"):
        if (root / name).is_file():
            return _read_summary(root / name)
    raise FileNotFoundError(
        f"no daily file such as 2024-01-01.csv, and no hdfail.csv, in {str(folder)!r}; "
        "unpack one of Backblaze's quarterly archives there"
    )


def _read_columns(path: Path, needed: tuple[str, ...], only: bool) -> pd.DataFrame:
    """Read a file, and say which columns it lacks."""
    try:
        # Serial numbers and models may look like numbers ("00123"), and must not become them.
        text = dict.fromkeys(("serial_number", "model", "serial"), str)
        keep = (lambda name: name in needed) if only else None
        frame = pd.read_csv(path, usecols=keep, dtype=text)
    except (ValueError, OSError, EOFError) as error:  # pandas' parser errors are ValueErrors
        raise ValueError(f"{path.name} is not a table with a header: {error}") from error
    missing = [name for name in needed if name not in frame]
    if missing:
        raise ValueError(f"{path.name} lacks the columns {', '.join(missing)}")
    return frame


def _numbers(frame: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """Return a column as numbers at or above zero; gaps stay gaps."""
    values = pd.to_numeric(frame[column], errors="coerce")
    bad = ((values.isna() & frame[column].notna()) | (values < 0)).to_numpy()
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{path.name}: {column} must be a number at or above 0; {bad.sum()} rows are not, "
            f"first row {row}: {frame[column].iloc[row]}"
        )
    return values


def _flags(frame: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """Return a column of 0 and 1 as booleans."""
    values = pd.to_numeric(frame[column], errors="coerce")
    bad = ~values.isin([0, 1]).to_numpy()
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{path.name}: {column} must be 0 or 1; {bad.sum()} rows are not, "
            f"first row {row}: {frame[column].iloc[row]}"
        )
    return values.astype(bool)


def _read_day(path: Path) -> pd.DataFrame:
    """Read one day: one row a drive, with its age in days where it reported one."""
    frame = _read_columns(path, _DAILY, only=True)
    try:
        date = pd.to_datetime(frame["date"], format="%Y-%m-%d")
    except ValueError as error:
        raise ValueError(f"{path.name} has a date that is not year-month-day: {error}") from error
    day = frame[[*_KEY, "capacity_bytes"]].assign(
        # Days as whole numbers: they add up, compare and merge faster than dates.
        date=date.to_numpy(dtype="datetime64[D]").astype(np.int64),
        failed=_flags(frame, "failure", path),
        age=_numbers(frame, "smart_9_raw", path) / 24.0,
    )
    return day.drop_duplicates(_KEY)


def _fold(paths: list[Path]) -> pd.DataFrame:
    """Fold the days, in their order, into one row a drive."""
    drives: pd.DataFrame | None = None
    for path in paths:
        day = _read_day(path)
        # Until a drive has reported its age, it is not under observation.
        today = day.rename(columns={"age": "entry", "date": "first_date"}).set_index(_KEY)
        today = today.assign(last_date=today["first_date"])
        known = today[today["entry"].notna()]
        if drives is None:
            drives = known
            continue
        # A drive is followed up to its first failure; some report again after a repair.
        seen = drives.index.intersection(today.index)
        running = seen[~drives.loc[seen, "failed"].to_numpy()]
        drives.loc[running, ["last_date", "failed"]] = today.loc[running, ["last_date", "failed"]]
        drives = pd.concat([drives, known.loc[known.index.difference(drives.index)]])
    assert drives is not None  # the caller found at least one file
    drives = drives.assign(
        duration=drives["entry"] + (drives["last_date"] - drives["first_date"]) + 1.0,
        first_date=drives["first_date"].to_numpy().astype("datetime64[D]"),
        last_date=drives["last_date"].to_numpy().astype("datetime64[D]"),
    )
    columns = ["capacity_bytes", "entry", "duration", "failed", "first_date", "last_date"]
    return drives[columns].sort_index().reset_index()


def _read_summary(path: Path) -> pd.DataFrame:
    """Read hdfail, one row a drive."""
    frame = _read_columns(path, tuple(_SUMMARY), only=False)
    checked = {"time": _numbers(frame, "time", path), "status": _flags(frame, "status", path)}
    return frame.assign(**checked).rename(columns=_SUMMARY)
