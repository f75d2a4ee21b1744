"""Covariates at the border: a table of numbers in, or an error that names the column."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
from sklearn.utils.validation import validate_data


def check_covariates(estimator: Any, x: Any, *, reset: bool) -> np.ndarray:
    """Check X as scikit-learn does, with errors that name columns and what to do.

    Parameters
    ----------
    estimator : estimator
        Gets `n_features_in_` and `feature_names_in_` where `reset`, or is held to them.
    x : array-like of shape (n, p)
        Covariates: numbers and booleans.

    Returns
    -------
    array of shape (n, p)
        float64.

    Raises
    ------
    ValueError
        For text, categories, dates and missing values, with the name of the column.
    """
    table = nw.from_native(x, eager_only=True, pass_through=True)
    if isinstance(table, nw.DataFrame):
        _check_table(table)
    else:
        _check_array(x)
    return validate_data(estimator, x, reset=reset, dtype=np.float64)


def _check_table(table: Any) -> None:
    """Look at the columns of a frame one by one."""
    for j, name in enumerate(table.columns):
        column = table[:, j]
        if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
            if column.dtype == nw.Object and _only_numbers(column):
                continue
            raise ValueError(
                f"column {name!r} holds {_kind(column.dtype)}, not numbers: encode it first, "
                f"such as with sklearn's OneHotEncoder(drop='first') in a ColumnTransformer"
                if not column.dtype.is_temporal()
                else f"column {name!r} holds dates or durations, not numbers: turn it into an age "
                "or a number of days first, such as with sklearn's FunctionTransformer"
            )
        values = column.to_numpy() if column.dtype.is_numeric() else np.zeros(1)
        values = np.asarray(values, float) if values.dtype.kind in "fO" else np.zeros(1)
        missing = np.isnan(values)
        if missing.any():
            raise ValueError(
                f"Input X contains NaN: column {name!r} has {missing.sum()} missing values, the "
                f"first in row {np.flatnonzero(missing)[0]}. Fill them first, such as with "
                "sklearn's SimpleImputer in a pipeline"
            )


def _only_numbers(column: Any) -> bool:
    return all(isinstance(v, (int, float, np.number)) for v in column.to_list())


def _kind(dtype: Any) -> str:
    return "categories" if dtype in (nw.Categorical, nw.Enum) else "text or objects"


def _check_array(x: Any) -> None:
    """Name the column of a missing value in a plain array."""
    if not isinstance(x, np.ndarray) or x.ndim != 2 or x.dtype.kind != "f" or x.size == 0:
        return
    if np.isfinite(np.sum(x)):
        return
    missing = np.isnan(x)
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise ValueError(
            f"Input X contains NaN: {missing.sum()} missing values, the first in row {row} of "
            f"column {column} (x{column}). Fill them first, such as with sklearn's SimpleImputer "
            "in a pipeline"
        )


def column_names(estimator: Any) -> list[str]:
    """Names of the columns that were fitted: x0, x1, ... where they had none."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return [f"x{j}" for j in range(estimator.n_features_in_)]
    return [str(name) for name in names]


def collinear_message(groups: list[list[int]], names: list[str]) -> str:
    """Say which columns depend on which others."""
    words = []
    for first, *others in groups[:5]:
        if others:
            listed = ", ".join(repr(names[k]) for k in others[:6])
            words.append(f"{names[first]!r} is a linear combination of {listed}")
        else:
            words.append(f"{names[first]!r} is constant")
    more = f" (and {len(groups) - 5} more)" if len(groups) > 5 else ""
    return (
        f"collinear columns: {'; '.join(words)}{more}. Their coefficients cannot be told apart: "
        "drop them (OneHotEncoder(drop='first'), VarianceThreshold), or set penalty > 0"
    )
