"""Checks of the hyper-parameters of a mixture: at the fit, and of a model read from a file."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from survjax._core.validation import check_count, check_positive, random_generator
from survjax.data.recording import check_resolution, check_rounding

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
