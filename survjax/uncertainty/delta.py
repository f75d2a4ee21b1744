"""How well a fit knows its parameters: errors and bounds on the scales that people read."""

from __future__ import annotations

from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.pytree import ravel_parameters
from survjax.lifetimes import Lifetime
from survjax.likelihood.vector.template import Template

__all__ = [
    "link_errors",
    "link_values",
    "normal_quantile",
    "response_errors",
    "rows_needed",
]


def link_values(lifetime: Lifetime) -> jax.Array:
    """The parameters on unbounded scales, as `Template.quantities` lists them.

    Of a mixture: logits of the weights, each against all the others, then the components'
    parameters. The one weight of a single component, which is no parameter, has the logit 0.
    """
    x, _ = ravel_parameters(lifetime)
    logits = getattr(lifetime, "logits", None)
    if logits is None:
        return x
    rest = x[jnp.size(logits) :]
    logits = jnp.concatenate([jnp.zeros(1, x.dtype), jnp.ravel(jnp.asarray(logits))])
    if logits.size == 1:
        return jnp.concatenate([logits, rest])
    others = jnp.where(jnp.eye(logits.size, dtype=bool), -jnp.inf, logits[None, :])
    return jnp.concatenate([logits - jax.nn.logsumexp(others, axis=1), rest])


def link_errors(
    template: Template, x: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values on the link scale and their delta-method errors, one of each quantity."""
    values, jacobian, _ = template.link_derivatives(x)
    variance = np.einsum("ip,pq,iq->i", jacobian, covariance, jacobian)
    return values, np.sqrt(np.where(np.isnan(variance), np.nan, np.maximum(variance, 0.0)))


def response_errors(template: Template, x: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Standard errors of the quantities themselves: weights, scales, shapes."""
    values, errors = link_errors(template, x, covariance)
    return errors * template.response_slope(values)


def normal_quantile(level: float) -> float:
    """Two-sided standard normal quantile of a confidence level."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def rows_needed(what: str) -> ValueError:
    """What to say where a model from a file is asked for more than it has."""
    return ValueError(
        f"{what} needs the rows that were fitted, and a model from a file has none (nor has one of "
        "a stream with late entry that was too long for memory, nor one of causes of which one has "
        "a base that was fitted before): fit again, or compute it before saving (a file keeps what "
        "was computed)"
    )
