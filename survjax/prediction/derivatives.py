"""Curves of a lifetime with their derivatives in its parameters, named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.numerics import bucket_size
from survjax._core.precision import double_precision
from survjax._core.programs import program
from survjax._core.pytree import parameter_names, ravel_parameters
from survjax._core.validation import check_times
from survjax.lifetimes import Lifetime

CURVES = ("hazard", "survival", "cumulative_hazard", "density")


class Derivatives(NamedTuple):
    """Values of a curve with their derivatives, as float64 NumPy arrays.

    Attributes
    ----------
    values : array of shape (n,)
        The curve at each time.
    jacobian : array of shape (n, p) or None
        Derivative of each value in each parameter.
    hessian : array of shape (n, p, p) or None
        Second derivatives.
    names : tuple of str
        The p parameters, in the order of the last axes.
    """

    values: np.ndarray
    jacobian: np.ndarray | None
    hessian: np.ndarray | None
    names: tuple[str, ...]


@program(static_argnames=("curve", "jacobian", "hessian"))
def _evaluate(
    lifetime: Lifetime, times: jax.Array, *, curve: str, jacobian: bool, hessian: bool
) -> tuple[Any, Any, Any]:
    """Values, `vmap(grad)` and `vmap(jacfwd(jacrev))` over the times."""
    vector, unravel = ravel_parameters(lifetime)

    def value(vector: jax.Array, t: jax.Array) -> jax.Array:
        return getattr(unravel(vector), curve)(t)

    def over(derivative: Callable[..., Any]) -> jax.Array:
        return jax.vmap(derivative, in_axes=(None, 0))(vector, times)

    return (
        over(value),
        over(jax.grad(value)) if jacobian else None,
        over(jax.jacfwd(jax.jacrev(value))) if hessian else None,
    )


@double_precision
def compute_curve(
    lifetime: Lifetime,
    times: jax.Array,
    curve: str,
    *,
    jacobian: bool = False,
    hessian: bool = False,
) -> Derivatives:
    """Evaluate a curve of a lifetime and its derivatives with respect to the parameters.

    Parameters
    ----------
    lifetime : Lifetime
        Any lifetime with scalar parameters (a mixture's components included).
    times : array-like of shape (n,)
        Where to evaluate, at least zero.
    curve : {"hazard", "survival", "cumulative_hazard", "density"}
        Which curve.
    jacobian, hessian : bool, default False
        Also return first, second derivatives.

    Returns
    -------
    Derivatives
        `values` (n,), `jacobian` (n, p), `hessian` (n, p, p) and `names` (p).

    Raises
    ------
    ValueError
        If a time is negative or not a number, or the curve is unknown.
    """
    if curve not in CURVES:
        raise ValueError(f"curve must be one of {', '.join(CURVES)}, got {curve!r}")
    if not isinstance(lifetime, Lifetime):
        raise TypeError(
            "lifetime must be one of survjax.lifetimes, such as the lifetime_ of a fitted model, "
            f"got {type(lifetime).__name__}"
        )
    t = check_times(np.atleast_1d(np.asarray(times)), "times", zero=True)
    padded = np.concatenate([t, np.ones(bucket_size(t.size) - t.size)])
    lifetime = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), lifetime)
    parts = _evaluate(lifetime, padded, curve=curve, jacobian=jacobian, hessian=hessian)
    values, first, second = (None if a is None else np.array(a[: t.size]) for a in parts)
    return Derivatives(values, first, second, parameter_names(lifetime))  # type: ignore[arg-type]


def compute_hazard(
    lifetime: Lifetime, times: jax.Array, *, jacobian: bool = False, hessian: bool = False
) -> Derivatives:
    """Hazard rates of a lifetime, with exact derivatives in its parameters.

    Parameters
    ----------
    lifetime : Lifetime
        Any lifetime, such as `Weibull.of(scale=40.0, shape=3.0)` or a fitted `lifetime_`.
    times : array-like of shape (n,)
        Where to evaluate, at least zero.
    jacobian : bool, default False
        Also return d hazard / d parameters, by `vmap(grad)`.
    hessian : bool, default False
        Also return the second derivatives, by `jacfwd(jacrev)`.

    Returns
    -------
    Derivatives
        `values` (n,), `jacobian` (n, p) or None, `hessian` (n, p, p) or None, `names`: the p
        unconstrained parameters (logs of scales and shapes, logits of weights).

    Raises
    ------
    ValueError
        If a time is negative or not a number.

    Notes
    -----
    Computed in double precision whatever the caller's JAX setting. At time zero a hazard that
    starts at zero or infinity has derivatives of zero.

    Examples
    --------
    >>> from survjax import Weibull, compute_hazard
    >>> found = compute_hazard(Weibull.of(scale=40.0, shape=3.0), [10.0, 20.0], jacobian=True)
    >>> found.names
    ('log_scale', 'log_shape')
    >>> found.jacobian.shape
    (2, 2)
    """
    return compute_curve(lifetime, times, "hazard", jacobian=jacobian, hessian=hessian)
