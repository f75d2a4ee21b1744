"""Covariates at the border: a table of numbers in, or an error that names the column."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

import narwhals.stable.v1 as nw
import numpy as np
from narwhals.exceptions import DuplicateError
from scipy import sparse
from sklearn.utils.validation import validate_data

from survjax._core.validation import how_many

#: Columns of X: names, positions counted from zero, or "all".
ChosenColumns: TypeAlias = str | int | Sequence[str | int]
#: Sizes between which squares, and a variance in that unit, are numbers.
SMALLEST, LARGEST = 1e-150, 1e150
#: Times the range of nine in ten values: what lies farther out is named where a fit fails.
FAR = 1e3


def check_covariates(estimator: Any, x: Any, *, reset: bool) -> np.ndarray:
    """Check X as scikit-learn does, with errors that name columns and what to do.

    Parameters
    ----------
    estimator : estimator
        Gets `n_features_in_` and `feature_names_in_` where `reset`, or is held to them.
    x : array-like or sparse matrix of shape (n, p)
        Covariates: numbers and booleans. What is sparse, as encoders return it, is filled in.

    Returns
    -------
    array of shape (n, p)
        float64.

    Raises
    ------
    ValueError
        For text, categories, dates, missing and infinite values, and, where `reset`, for columns
        of a size whose squares are no numbers, with the name of the column.
    """
    x = _dense(_tabular(x))
    try:
        table = nw.from_native(x, eager_only=True, pass_through=True)
        finite = _check_table(table) if isinstance(table, nw.DataFrame) else _check_array(x)
    except DuplicateError as error:
        raise ValueError(
            f"several columns of X have one name: {repeated(x)}. Give each a name of its own"
        ) from error
    # What has been looked through for missing values is not looked through again.
    rest: Any = {"ensure_all_finite": not finite}
    x = validate_data(estimator, x, reset=reset, dtype=np.float64, **rest)
    if reset:
        _check_sizes(x, column_names(estimator))
    return x


def _check_sizes(x: np.ndarray, names: list[str]) -> None:
    """Refuse columns whose squares are infinite or zero: fits would take them for constant."""
    # One pass over all columns says which to look at: a sum of n squares in between is of sizes
    # in between, however many rows there are.
    squares = np.einsum("ij,ij->j", x, x)
    for j in np.flatnonzero(~((squares > SMALLEST) & (squares < LARGEST))).tolist():
        size = float(np.abs(x[:, j]).max())
        if size == 0.0 or SMALLEST <= size <= LARGEST:
            continue
        unit = "larger" if size > 1 else "smaller"
        raise ValueError(
            f"column {names[j]!r} has values of size {size:.3g}, whose squares a number cannot "
            f"hold: correct them, or give them in a {unit} unit"
        )


def _tabular(x: Any) -> Any:
    """Refuse what holds columns by name but is no table in memory."""
    names = getattr(getattr(x, "dtype", None), "names", None)
    rows = isinstance(x, list) and len(x) > 0 and isinstance(x[0], dict)
    lazy = hasattr(x, "collect_schema") and hasattr(x, "collect")
    by_name = isinstance(x, dict) and not sparse.issparse(x)
    if lazy or by_name or rows or names:
        kind = "list of dict" if rows else type(x).__name__
        advice = "collect it first" if lazy else "make a DataFrame of it"
        raise ValueError(f"X must be a table of numbers in memory, got a {kind}: {advice}")
    return x


def _dense(x: Any) -> Any:
    """Fill in sparse matrices, and sparse columns of a frame."""
    if sparse.issparse(x):
        return x.toarray()
    types: Any = getattr(x, "dtypes", None)
    if not hasattr(types, "items"):
        return x
    subtypes = {name: kind.subtype for name, kind in types.items() if hasattr(kind, "subtype")}
    thin = {name: kind for name, kind in subtypes.items() if str(types[name])[:6] == "Sparse"}
    return x.astype(thin) if thin else x


def repeated(x: object) -> str:
    """Names that several columns of a frame have, quoted."""
    names = [str(name) for name in getattr(x, "column_names", getattr(x, "columns", ()))]
    return ", ".join(repr(name) for name in dict.fromkeys(names) if names.count(name) > 1)


def _check_table(table: Any) -> bool:
    """Look at the columns of a frame one by one: whether all values are known to be finite."""
    if table.shape[1] == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={table.shape}) while a minimum of 1 is required"
        )
    for j, name in enumerate(table.columns):
        column = table[:, j]
        values = _numbers(column)
        if values is None:
            raise ValueError(_no_numbers(column, f"column {name!r}"))
        _check_finite(values, f"column {name!r}")
    return True


def _numbers(column: Any) -> np.ndarray | None:
    """Values of a column, missing ones NaN; None where it holds anything but numbers."""
    kind = column.dtype
    if kind.is_numeric():
        values = column.to_numpy()
        return values if values.dtype.kind in "iuf" else np.asarray(values, float)
    if kind == nw.Boolean:
        return np.where(column.is_null().to_numpy(), np.nan, 0.0)
    if kind in (nw.Object, nw.Unknown):
        return _floats(column.to_list())
    return None


def _floats(values: Any) -> np.ndarray | None:
    """Python's numbers as floats, missing ones NaN; None if there is anything else."""
    missing = [v is None or type(v).__name__ in ("NAType", "NaTType") for v in values]
    numbers = (int, float, np.number, np.bool_, Decimal, Fraction)
    if not all(gone or isinstance(v, numbers) for v, gone in zip(values, missing, strict=True)):
        return None
    return np.array(
        [np.nan if gone else float(v) for v, gone in zip(values, missing, strict=True)], float
    )


def _no_numbers(column: Any, what: str) -> str:
    """Say what a column holds instead of numbers, and which transformer makes numbers of it."""
    if column.dtype.is_temporal():
        return (
            f"{what} holds dates or durations, not numbers: turn it into an age or a number of "
            "days first, such as with sklearn's FunctionTransformer"
        )
    kind = "categories" if column.dtype in (nw.Categorical, nw.Enum) else "text or objects"
    if kind != "categories" and _written_numbers(column.to_list()):
        return f"{what} holds numbers written as text: convert it first, as pandas.to_numeric does"
    return (
        f"{what} holds {kind}, not numbers: encode it first, such as with sklearn's "
        "OneHotEncoder(drop='first') in a ColumnTransformer"
    )


def _written_numbers(values: list[Any]) -> bool:
    try:
        [float(v) for v in values]
    except (TypeError, ValueError):
        return False
    return True


def _check_finite(values: np.ndarray, what: str) -> None:
    """Refuse missing and infinite values of one column, with the first row."""
    with np.errstate(over="ignore", invalid="ignore"):
        if values.dtype.kind != "f" or np.isfinite(values.sum()):
            return
    for found, name, advice in (
        (np.isnan(values), "NaN", "Fill them first, such as with sklearn's SimpleImputer in a"),
        (np.isinf(values), "infinity", "Correct them, or make them NaN and fill those in a"),
    ):
        if found.any():
            kind = "missing value" if name == "NaN" else "infinite value"
            raise ValueError(
                f"Input X contains {name}: {what} has {how_many(found.sum(), kind)}, the first in "
                f"row {np.flatnonzero(found)[0]}. {advice} pipeline"
            )


def _check_array(x: Any) -> bool:
    """Name the column of a missing value, or of text, in a plain array.

    Whether all values are known to be finite.
    """
    if isinstance(x, (list, tuple)):
        try:
            x = np.asarray(x)
        except ValueError:  # rows of different lengths, of which scikit-learn says so
            return False
    if not isinstance(x, np.ndarray) or x.ndim != 2 or x.size == 0:
        return False
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        x = np.where(np.ma.getmaskarray(x), np.nan, np.ma.getdata(x).astype(float))
    if x.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(np.sum(x)):
                return x.dtype.itemsize <= 8
    elif x.dtype.kind not in "OU":
        return False
    for j, column in enumerate(x.T):
        what = f"column {j} (x{j})"
        if column.dtype.kind != "f":
            text = np.array([isinstance(v, str) for v in column])
            if text.any():
                row = int(np.flatnonzero(text)[0])
                raise ValueError(
                    f"{what} holds text, the first {str(column[row])!r} in row {row}: encode it "
                    "first, such as with sklearn's OneHotEncoder(drop='first'), or convert it"
                )
            column = _floats(list(column))
        if column is not None:
            _check_finite(column, what)
    return False


def column_names(estimator: Any) -> list[str]:
    """Names of the columns that were fitted: x0, x1, ... where they had none."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return [f"x{j}" for j in range(estimator.n_features_in_)]
    return [str(name) for name in names]


def chosen_columns(chosen: ChosenColumns | None, names: list[str], what: str) -> tuple[int, ...]:
    """Positions, counted from one, of columns given by name or position."""
    if chosen is None:
        return ()
    if isinstance(chosen, str) and chosen == "all":
        return tuple(range(1, len(names) + 1))
    if isinstance(chosen, (str, int, np.integer)):
        chosen = [chosen]
    if not np.iterable(chosen):
        raise ValueError(f"{what} must list names or positions of columns, got {chosen!r}")
    found = []
    for item in chosen:
        if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
            if not 0 <= item < len(names):
                raise ValueError(f"{what}: there is no column {item}, only 0 to {len(names) - 1}")
            found.append(int(item) + 1)
        elif item in names:
            found.append(names.index(item) + 1)
        else:
            raise ValueError(f"{what}: no column {item!r}, the columns are {', '.join(names)}")
    return tuple(sorted(set(found)))


def collinear_message(
    groups: list[list[int]],
    names: list[str],
    varying: Collection[int] = (),
    remedy: str = "set penalty > 0",
) -> str:
    """Say which columns depend on which others; `varying` ones are constant where it counts."""
    words = []
    for first, *others in groups[:5]:
        if others:
            listed = ", ".join(repr(names[k]) for k in others[:6])
            words.append(f"{names[first]!r} is a linear combination of {listed}")
        elif first in varying:
            words.append(f"{names[first]!r} is constant among all units at risk together")
        else:
            words.append(f"{names[first]!r} is constant")
    more = f" (and {len(groups) - 5} more)" if len(groups) > 5 else ""
    return (
        f"collinear columns: {'; '.join(words)}{more}. Their coefficients cannot be told apart: "
        f"drop them (OneHotEncoder(drop='first'), VarianceThreshold), or {remedy}"
    )


def outlying_words(x: np.ndarray, names: list[str]) -> str:
    """Name columns with a value far outside all others, which may be why a fit did not end."""
    words = []
    for name, column in zip(names, x.T, strict=True):
        low, middle, high = np.quantile(column, (0.05, 0.5, 0.95))
        row = int(np.argmax(np.abs(column - middle)))
        if high > low and abs(column[row] - middle) > FAR * (high - low):
            words.append(f"{name!r} has {column[row]:g} in row {row}, far from all others")
    return f": {'; '.join(words[:3])} (a wrong unit, or a code for a missing value?)" * bool(words)
