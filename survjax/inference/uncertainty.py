"""How well a fit knows what it says: errors and bounds of curves and natural parameters."""

from __future__ import annotations

from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np

NATURAL = ("weights", "scales", "shapes")


def natural_safe(x: jax.Array) -> jax.Array:
    """A Weibull mixture's natural parameters on unbounded scales: (3K,) from (3K - 1,).

    Logits of the weights (each against all the others), logs of scales and shapes. The one
    weight of a single component, which is no parameter, has the logit 0 here.
    """
    k = (x.shape[-1] + 1) // 3
    logits = jnp.concatenate([jnp.zeros(1, x.dtype), x[: k - 1]])
    if k == 1:
        return jnp.concatenate([logits, x])
    others = jnp.where(jnp.eye(k, dtype=bool), -jnp.inf, logits[None, :])
    return jnp.concatenate([logits - jax.nn.logsumexp(others, axis=1), x[k - 1 :]])


def natural_from_safe(safe: np.ndarray) -> np.ndarray:
    """Back from `natural_safe`, along the last axis."""
    k = safe.shape[-1] // 3
    with np.errstate(over="ignore", under="ignore"):
        weights = np.ones_like(safe[..., :1]) if k == 1 else 1.0 / (1.0 + np.exp(-safe[..., :k]))
        return np.concatenate([weights, np.exp(safe[..., k:])], axis=-1)


def natural_derivatives(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`natural_safe` at x (p,) with its first and second derivatives, in NumPy.

    The logit of weight i is l_i - log sum exp(l_j) over the others, whose shares q have the
    derivatives of a softmax: -q, and q q' - diag(q). All else is linear.
    """
    k, p = (x.size + 1) // 3, x.size
    first, second = np.zeros((3 * k, p)), np.zeros((3 * k, p, p))
    first[k:, k - 1 :] = np.eye(2 * k)
    logits = np.concatenate([[0.0], x[: k - 1]])
    safe = np.concatenate([logits, x[k - 1 :]])
    for i in range(k if k > 1 else 0):
        others = np.where(np.arange(k) == i, -np.inf, logits)
        top = others.max()
        total = np.exp(others - top).sum()
        share = (np.exp(others - top) / total)[1:]
        safe[i] -= top + np.log(total)
        first[i, : k - 1] = (np.arange(1, k) == i) - share
        second[i, : k - 1, : k - 1] = np.outer(share, share) - np.diag(share)
    return safe, first, second


def natural_errors(x: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Safe values and delta-method errors of the natural parameters, (3K,) each."""
    safe, jacobian, _ = natural_derivatives(x)
    variance = np.einsum("ip,pq,iq->i", jacobian, covariance, jacobian)
    return safe, np.sqrt(np.where(np.isnan(variance), np.nan, np.maximum(variance, 0.0)))


def natural_standard_errors(x: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Standard errors (3K,) of weights, scales and shapes themselves."""
    safe, errors = natural_errors(x, covariance)
    value = natural_from_safe(safe)
    k = safe.size // 3
    return errors * np.concatenate([value[:k] * (1.0 - value[:k]), value[k:]])


def normal_quantile(level: float) -> float:
    """Two-sided standard normal quantile of a confidence level."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def natural_slice(curve: str, k: int) -> slice:
    """Where "weights", "scales" or "shapes" stand among the 3K natural parameters."""
    at = NATURAL.index(curve)
    return slice(at * k, (at + 1) * k)


def rows_needed(what: str) -> ValueError:
    """What to say where a model from a file is asked for more than it has."""
    return ValueError(
        f"{what} needs the rows that were fitted, and a model from a file has none: fit again, or "
        "compute it before saving (a file keeps what was computed)"
    )


__all__ = [
    "NATURAL",
    "natural_derivatives",
    "natural_errors",
    "natural_from_safe",
    "natural_safe",
    "natural_slice",
    "natural_standard_errors",
    "normal_quantile",
    "rows_needed",
]
