"""Parameters on their natural scales, checked: what is positive, and what is a share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike


def log_of(value: ArrayLike, name: str) -> jax.Array:
    """Log of a parameter that is positive and finite; what JAX traces is taken as it is."""
    check_positive_numbers(value, name)
    return jnp.log(jnp.asarray(value, float))


def check_positive_numbers(value: ArrayLike, name: str) -> None:
    """Refuse what is not positive and finite."""
    _check(value, name, lambda array: (array > 0) & np.isfinite(array), "positive and finite")


def logit_of(value: ArrayLike, name: str) -> jax.Array:
    """Logit of a share inside (0, 1)."""
    _check(value, name, lambda array: (array > 0) & (array < 1), "between 0 and 1")
    share = jnp.asarray(value, float)
    return jnp.log(share) - jnp.log1p(-share)


def any_number(value: ArrayLike, name: str) -> jax.Array:
    """A parameter that is any finite number."""
    _check(value, name, np.isfinite, "finite")
    return jnp.asarray(value, float)


def _check(value: ArrayLike, name: str, good: Callable[[Any], Any], rule: str) -> None:
    """Refuse numbers that break the rule; a derivative or a program has no numbers yet."""
    if isinstance(value, jax.core.Tracer):
        return
    array: Any = np.asarray(value, float)
    bad = array[~np.asarray(good(array), bool)]
    if bad.size:
        raise ValueError(f"{name} must be {rule}, got {bad.ravel()[0]:g}")
