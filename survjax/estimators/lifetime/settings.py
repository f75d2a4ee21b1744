"""Checks of hyper-parameters, of a mixture's and of lifetimes: at the fit, and of files."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

import numpy as np

from survjax._core.validation import check_count, check_positive, random_generator
from survjax.data.recording import check_resolution, check_rounding
from survjax.lifetimes import Lifetime

CRITERIA = ("bic", "aic", "icl")
#: What of a component may depend on covariates.
PARTS = ("weight", "scale", "shape")


def part_of(name: str) -> str:
    """Which of `PARTS` a parameter of a mixture is, by its name, such as `log_scale_1`."""
    return name.split("_")[1]


def check_parts(on: Collection[str], parts: tuple[str, ...] = PARTS) -> None:
    """Accept a list of what depends on the covariates, or a mapping from it."""
    if isinstance(on, str) or not np.iterable(on) or any(part not in parts for part in on):
        raise ValueError(f"on must be a list of {', '.join(parts)}, got {on!r}")


def check_max_shape(value: object) -> None:
    """Accept the steepest shape that an answer may have; infinity: any."""
    if not (isinstance(value, float) and value == np.inf):
        check_positive(value, "max_shape")


def check_settings(model: Any) -> None:
    """Raise ValueError for the first hyper-parameter that makes no sense."""
    k = model.n_components
    known = isinstance(k, str) and k in CRITERIA
    whole = isinstance(k, (int, np.integer)) and not isinstance(k, bool) and k >= 1
    if not (known or whole):
        raise ValueError(
            f"n_components must be a positive whole number, 'bic', 'aic' or 'icl', got {k!r}"
        )
    for name in ("n_starts", "max_iter", "max_components"):
        check_count(getattr(model, name), name)
    check_positive(model.tol, "tol")
    check_positive(model.min_component_weight, "min_component_weight", zero=True)
    check_max_shape(model.max_shape)
    check_rounding(model.rounding)
    if model.resolution is not None:
        check_resolution(model.resolution)
    # A seed is judged without making a generator of it: small fits would feel that.
    if not (type(model.random_state) is int and model.random_state >= 0):
        random_generator(model.random_state)


def check_is_lifetime(given: Any, name: str, wanted: str = "a Lifetime") -> None:
    """Refuse what is no lifetime, or is built on something that is none, or on what is no number.

    Parameters
    ----------
    given : object
        Whatever stands for a lifetime.
    name : str
        What users call it.
    wanted : str
        What it may be.
    """
    if isinstance(given, type) and issubclass(given, Lifetime):
        raise ValueError(
            f"{name} must be a Lifetime with parameters, such as {_example(given)}, "
            f"got the class {given.__name__} itself"
        )
    if not isinstance(given, Lifetime):
        what = repr(given) if isinstance(given, str) else type(given).__name__
        raise ValueError(f"{name} must be {wanted}, got {what}")
    if not dataclasses.is_dataclass(given):
        return
    for field in dataclasses.fields(given):
        value, kind = getattr(given, field.name), field.metadata.get("kind")
        place = f"{field.name} of {type(given).__name__} in {name}"
        if kind is None:
            for part in value if isinstance(value, tuple) else (value,):
                own = type(given).__module__.startswith(Lifetime.__module__.partition(".")[0])
                _check_part(part, place, own)
        elif kind == "parameter" and value is not None and not _is_numbers(value):
            raise ValueError(
                f"{place} must be numbers, got {type(value).__name__}: write it as in "
                f"{_example(type(given))}"
            )


def _check_part(part: Any, place: str, own: bool) -> None:
    """Refuse names, classes and estimators where a lifetime, perhaps an own one, holds another."""
    if isinstance(part, list):
        raise ValueError(f"{place} must be a Lifetime or a tuple of several: make the list a tuple")
    wrong = isinstance(part, (str, type)) or hasattr(part, "fit")
    if wrong or isinstance(part, Lifetime) or (own and not dataclasses.is_dataclass(part)):
        check_is_lifetime(part, place, "a Lifetime, such as Weibull(0.0, 0.0)")


def _is_numbers(value: Any) -> bool:
    """Whether a value is an array of numbers, or can be read as one."""
    try:
        np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _example(family: type) -> str:
    """A call that makes a member of the family, to be fitted."""
    if hasattr(family, "with_cuts") or hasattr(family, "with_knots"):
        way = "with_cuts" if hasattr(family, "with_cuts") else "with_knots"
        return f"{family.__name__}.{way}(...)"
    fields = dataclasses.fields(family) if dataclasses.is_dataclass(family) else ()
    known = {
        "base": "Weibull(0.0, 0.0)",
        "logits": "[0.0]",
        "components": "Weibull([0.0, 0.0], [0.0, 0.0])",
    }
    values = [known.get(field.name, "0.0") for field in fields]
    return f"{family.__name__}({', '.join(values) or '0.0, ...'})"
