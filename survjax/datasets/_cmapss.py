"""NASA's simulated turbofan engines, run to failure."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

_SUBSETS = ("FD001", "FD002", "FD003", "FD004")
_COLUMNS = (
    "unit",
    "cycle",
    *(f"setting_{i}" for i in range(1, 4)),
    *(f"sensor_{i}" for i in range(1, 22)),
)


class Cmapss(NamedTuple):
    """One subset of C-MAPSS.

    Parameters
    ----------
    train : DataFrame
        Engines run to failure: `unit`, `cycle`, `setting_1` to `setting_3`,
        `sensor_1` to `sensor_21`; one row a cycle, and the last row of a unit is its failure.
    test : DataFrame
        Engines whose records stop before failure; the same columns.
    remaining_life : Series
        The true remaining life in cycles after the last row of each test engine, by unit.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    remaining_life: pd.Series


def load_cmapss(folder: str | Path, subset: str = "FD001") -> Cmapss:
    """Read one subset of NASA's C-MAPSS turbofan data (Saxena and Goebel 2008).

    Reads the publisher's files `train_FD001.txt`, `test_FD001.txt` and `RUL_FD001.txt`
    (columns separated by spaces, no header); copies as comma-separated values with a header
    (`.csv`) and gzipped files (`.gz`) are understood too.

    Parameters
    ----------
    folder : str or Path
        Where the files are.
    subset : {"FD001", "FD002", "FD003", "FD004"}
        Which subset to read.

    Returns
    -------
    Cmapss
        `train`, `test` and `remaining_life`; times in cycles.

    Raises
    ------
    FileNotFoundError
        If the folder lacks one of the three files.
    ValueError
        If the subset is unknown, or a file is not what NASA publishes: other columns,
        something that is not a number, cycles with gaps, or a wrong number of engines.

    Examples
    --------
    >>> from survjax.datasets import load_cmapss
    >>> engines = load_cmapss("CMAPSSData")  # doctest: +SKIP
    >>> engines.train.groupby("unit")["cycle"].max().median()  # doctest: +SKIP
    199.0
    """
    if subset not in _SUBSETS:
        raise ValueError(f"subset must be one of {', '.join(_SUBSETS)}; got {subset!r}")
    train = _read_cycles(_find(folder, f"train_{subset}"))
    test = _read_cycles(_find(folder, f"test_{subset}"))
    path = _find(folder, f"RUL_{subset}")
    # The publisher's file has one column; copies put the unit in front of it.
    remaining = _read_numbers(path, (1, 2))[:, -1]
    units = test["unit"].unique()
    if len(remaining) != len(units):
        raise ValueError(
            f"{path.name} has {len(remaining)} remaining lives, but the test file has "
            f"{len(units)} engines; take all three files from the same subset"
        )
    index = pd.Index(units, name="unit")
    return Cmapss(train, test, pd.Series(remaining, index=index, name="remaining_life"))


def _find(folder: str | Path, stem: str) -> Path:
    """Return the first file of this name that exists, the publisher's own format first."""
    for ending in (".txt", ".txt.gz", ".csv", ".csv.gz"):
        path = Path(folder) / f"{stem}{ending}"
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"no {stem}.txt in {str(folder)!r}; unpack NASA's CMAPSSData.zip there "
        "(.csv and .gz copies are read too)"
    )


def _read_numbers(path: Path, widths: tuple[int, ...]) -> np.ndarray:
    """Read a table of numbers of an allowed width, with or without a header."""
    comma = ".csv" in path.suffixes
    try:
        frame = pd.read_csv(path, sep="," if comma else r"\s+", header=0 if comma else None)
        values = frame.to_numpy(dtype=np.float64)
    except (ValueError, OSError, EOFError) as error:  # pandas' parser errors are ValueErrors
        raise ValueError(f"{path.name} is not a table of numbers: {error}") from error
    if values.shape[1] not in widths:
        wanted = " or ".join(str(width) for width in widths)
        raise ValueError(f"{path.name} has {values.shape[1]} columns; expected {wanted}")
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{path.name} has {bad.sum()} rows with a missing or infinite number, "
            f"first row {int(np.argmax(bad))}; is the file cut off?"
        )
    return values


def _read_cycles(path: Path) -> pd.DataFrame:
    """Read a file of cycles and check that each engine's cycles run 1, 2, 3, ..."""
    frame = pd.DataFrame(_read_numbers(path, (len(_COLUMNS),)), columns=list(_COLUMNS))
    frame = frame.astype({"unit": np.int64, "cycle": np.int64})
    expected = frame.groupby("unit").cumcount() + 1
    bad = (frame["cycle"] != expected).to_numpy()
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{path.name}: the cycles of an engine must run 1, 2, 3, ...; {bad.sum()} rows do "
            f"not, first row {row}: unit {frame['unit'][row]}, cycle {frame['cycle'][row]}, "
            f"expected {expected[row]}"
        )
    return frame
