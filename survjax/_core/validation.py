"""Checks at the border: arrays in, float64 arrays or one clear error out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:  # it loads JAX
    from survjax._core.annotations import RandomState


def how_many(n: float, what: str) -> str:
    """So many of something, in words.

    Examples
    --------
    >>> how_many(1, "unit"), how_many(15_150, "failure")
    ('1 unit', '15,150 failures')
    """
    return f"{n:,.10g} {what}{'' if n == 1 else 's'}"


def as_column(values: object, name: str) -> np.ndarray:
    """Turn array-like values of any type into a one-dimensional array, or say what they are."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        row = int(np.flatnonzero(np.ma.getmaskarray(values))[0])
        raise ValueError(f"{name} has masked entries, the first in row {row}: drop those rows")
    try:
        array = np.asarray(values)
    except ValueError:  # rows of unequal lengths
        raise ValueError(f"{name} must hold one value for each unit, got nested ones") from None
    if array.ndim != 1:
        kind = type(values).__name__
        got = f"a {kind}" if array.ndim == 0 else f"an array of shape {array.shape}"
        advice = "pass one value for each unit"
        if array.ndim == 0 and array.dtype.kind == "O" and hasattr(values, "__iter__"):
            advice = f"make a list of the {kind}"
        raise ValueError(f"{name} must be one-dimensional, got {got}: {advice}")
    return array


def as_floats(values: object, name: str) -> np.ndarray:
    """Turn array-like numbers into a one-dimensional float64 array, or say what they are.

    Text, dates, booleans and time differences are refused rather than guessed at.
    """
    array = as_column(values, name)
    if array.dtype.kind in "iuf":
        return array.astype(np.float64, copy=False)
    if array.dtype.kind == "O":
        return _floats_of_objects(array, name)
    kind = {"b": "booleans", "m": "time differences", "M": "dates", "U": "text", "S": "text"}
    advice = {
        "b": "are durations and events swapped?",
        "m": "divide by one unit of time first, such as values / numpy.timedelta64(1, 'D')",
        "M": "subtract the start date and divide by one unit of time first",
    }
    got = kind.get(array.dtype.kind, f"values of type {array.dtype}")
    hint = advice.get(array.dtype.kind, "convert it to numbers first")
    raise ValueError(f"{name} must be numbers, got {got}: {hint}")


def _floats_of_objects(array: np.ndarray, name: str) -> np.ndarray:
    """Convert a column of Python objects: numbers and missing values only."""
    for row, value in enumerate(array):
        missing = value is None or value is getattr(value, "NaT", None)
        if isinstance(value, (str, bytes, bool)) or not (missing or np.isscalar(value)):
            if type(value).__name__ in ("NAType", "Decimal", "Fraction"):
                continue
            raise ValueError(
                f"{name} must be numbers, got {value!r} in row {row}: convert or drop it first"
            )
    try:
        clean = [np.nan if type(v).__name__ == "NAType" else v for v in array]
        return np.array(clean, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be numbers: {error}; convert the column first") from error


def missing(array: np.ndarray) -> np.ndarray:
    """Which entries of a column are missing: NaN, and None, NA or NaT among Python's objects."""
    if array.dtype.kind == "f":
        return np.isnan(array)
    if array.dtype.kind != "O":
        return np.zeros(array.shape, bool)
    # What is missing is nothing, or does not equal itself.
    kinds = ("NoneType", "NAType", "NaTType")
    return np.array([type(v).__name__ in kinds or v != v for v in array.tolist()], bool)


def check_rows(array: np.ndarray, good: np.ndarray, name: str, rule: str, advice: str) -> None:
    """Raise one error that names the rule, the count, the first row and its value."""
    if not good.all():
        rows = np.flatnonzero(~good)
        raise ValueError(
            f"{name} must be {rule}, got {array[rows[0]]:g} in row {rows[0]} "
            f"({rows.size} such {'row' if rows.size == 1 else 'rows'}): {advice}"
        )


def check_times(
    values: ArrayLike, name: str, *, zero: bool = False, infinite: bool = False
) -> np.ndarray:
    """Check times: no NaN, none negative, and zero or infinity only where they mean something."""
    array = as_floats(values, name)
    if array.size == 0:
        raise ValueError(f"{name} is empty: pass at least one value")
    low, high = array.min(), array.max()  # two passes and no temporaries; NaN shows in both
    if (low > 0 or (zero and low == 0)) and (high < np.inf or (infinite and high == np.inf)):
        return array
    check_rows(array, ~np.isnan(array), name, "numbers", "drop or fill the missing values")
    if not infinite:
        check_rows(array, np.isfinite(array), name, "finite", "drop or correct these rows")
    if zero:
        check_rows(array, array >= 0, name, "at least zero", "drop or correct these rows")
    else:
        check_rows(array, array > 0, name, "positive", "drop or correct these rows")
    return array


def check_size(n: object) -> None:
    """Check how many random numbers are asked for."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise ValueError(f"n must be a whole number of at least 0, got {n!r}")


def check_per_unit(values: ArrayLike, n: int, name: str, *, zero: bool = False) -> np.ndarray:
    """Check one time for each of n units; a single number is every unit's."""
    array = values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    found = check_times(np.full(n, array) if array.ndim == 0 else array, name, zero=zero)
    if found.shape[0] != n:
        raise ValueError(
            f"{name} must be one number, or one for each of the {n} units, got "
            f"{found.shape[0]} of them"
        )
    return found


def check_events(
    values: ArrayLike | None, n: int, name: str = "event_observed", *, default: bool = True
) -> np.ndarray:
    """Check event flags: one a unit, True (1) where the failure was seen. Returns booleans.

    Without flags, all units are as `default` says.
    """
    if values is None:
        return np.full(n, default)
    if np.ndim(values) > 1:
        check_length(np.asarray(values), n, name)
    array = as_column(values, name)
    check_length(array, n, name)
    if array.dtype.kind == "b":
        return array
    rule, advice = "True or False (1 or 0)", "code it as 1 = failed, 0 = still running"
    if array.dtype.kind in "OUS":
        for row, value in enumerate(array):
            if isinstance(value, (str, bytes)):
                raise ValueError(
                    f"{name} must be {rule}, got {str(value)!r} in row {row}: {advice}"
                )
        array = np.array([float(v) if isinstance(v, (bool, np.bool_)) else v for v in array], "O")
    array = as_floats(array, name)
    check_rows(array, (array == 0) | (array == 1), name, rule, advice)
    return array == 1


def check_offset(values: ArrayLike, n: int, name: str = "offset") -> np.ndarray:
    """Check the known part of a linear predictor: one finite number for each of n rows."""
    array = as_floats(values, name)
    if array.shape[0] != n:
        raise ValueError(
            f"{name} must have one entry for each of the {n} rows of X, got {array.shape[0]}"
        )
    check_rows(array, np.isfinite(array), name, "finite", "drop or correct these rows")
    return array


def check_failed(event_observed: ArrayLike | None, ages: np.ndarray) -> np.ndarray:
    """Which units failed at their ages: none by default, and none at age zero."""
    failed = check_events(event_observed, ages.size, default=False)
    good = ~failed | (ages > 0)
    check_rows(ages, good, "ages", "positive where units failed", "drop or correct these rows")
    return failed


def check_weights(values: ArrayLike | None, n: int, name: str = "sample_weight") -> np.ndarray:
    """Check weights: finite, not negative, not all zero."""
    if values is None:
        return np.ones(n)
    array = np.asarray(values)
    # A mask of the rows to use is a weight.
    array = array.astype(np.float64) if array.dtype.kind == "b" else as_floats(values, name)
    check_length(array, n, name)
    good = np.isfinite(array) & (array >= 0)
    check_rows(array, good, name, "finite and at least zero", "drop or correct these rows")
    if not array.any():
        raise ValueError(f"{name} is zero in all {n} rows: nothing is left to fit")
    if not array.max() < np.finfo(np.float64).max / n:
        raise ValueError(f"{name} must have a finite sum, got {array.max():g}: use smaller weights")
    return array


def check_length(array: np.ndarray, n: int, name: str) -> None:
    """Raise where an array does not have one entry a unit."""
    if array.ndim != 1 or array.shape[0] != n:
        raise ValueError(
            f"{name} must have one entry for each of the {n} durations, got shape {array.shape}"
        )


def check_positive(value: object, name: str, *, zero: bool = False) -> float:
    """Accept a finite number above zero (or at least zero)."""
    most = float(np.finfo(np.float64).max)
    if not _is_number(value) or not 0 <= value <= most or (value == 0 and not zero):
        rule = "at least zero" if zero else "above zero"
        raise ValueError(f"{name} must be a finite number {rule}, got {value!r}")
    return float(value)


def check_count(value: object, name: str) -> int:
    """Accept a whole number of at least one."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return int(value)


def check_flag(value: object, name: str) -> bool:
    """Accept True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def check_fraction(value: object, name: str) -> float:
    """Accept a number from zero to one, both included."""
    if not (_is_number(value) and 0 <= value <= 1):
        raise ValueError(f"{name} must lie between 0 and 1, got {value!r}")
    return float(value)


def _is_number(value: object) -> TypeGuard[float]:
    """Whether a setting is one number; True and False are none."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def check_penalty(value: object, names: tuple[str, ...] = ("cv",)) -> None:
    """Accept a penalty: a finite number of at least zero, or one of some names."""
    if isinstance(value, str) and value in names:
        return
    if not (_is_number(value) and 0 <= value < np.inf):
        words = " or ".join(map(repr, names))
        raise ValueError(f"penalty must be a number of at least 0, or {words}, got {value!r}")


def check_shares(values: ArrayLike, name: str = "quantiles") -> tuple[np.ndarray, list[str]]:
    """Check shares of failed units, and name a column for each: q10 for a tenth."""
    shares = as_floats(np.atleast_1d(values), name)
    if np.any(~((shares > 0) & (shares < 1))):
        raise ValueError(f"{name} must lie between 0 and 1, got {shares.tolist()}")
    return shares, [f"q{100 * share:.12g}" for share in shares]


def random_generator(random_state: RandomState) -> np.random.Generator:
    """NumPy's generator for a seed, or the generator that was given."""
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError):
        raise ValueError(
            "random_state must be a whole number of at least 0, a numpy.random.Generator or "
            f"None, got {random_state!r}"
        ) from None
