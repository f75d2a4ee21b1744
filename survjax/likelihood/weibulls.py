"""Mixtures of Weibulls, in whose terms starts are read off the data, and any mixture in theirs."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from survjax._core.numerics import module_of
from survjax.lifetimes import Cured, Mixture, Weibull
from survjax.likelihood.vector.stacks import WEIBULL_SPREAD, matched
from survjax.likelihood.vector.template import Template


@cache
def weibull_template(n_components: int) -> Template:
    """A mixture of K Weibulls."""
    zero: Any = np.zeros(n_components)
    return Template(Mixture(zero[1:], Weibull(zero, zero)))


@cache
def weibulls(n_components: int, cured: bool = False) -> Template:
    """A mixture of K Weibulls, perhaps beside a share of units that never fail."""
    plain, logit = weibull_template(n_components), np.zeros(())
    return Template(Cured(plain.lifetime, logit)) if cured else plain  # type: ignore[arg-type]


def weibull_parts(x: Any, axis: int = -1) -> tuple[Any, Any, Any]:
    """Logits over the first component, log scales and log shapes, K each along an axis.

    Of vectors of a mixture of Weibulls, (..., 3K - 1), by NumPy or JAX.
    """
    xp = module_of(x)
    first = xp.moveaxis(x, axis, 0)
    # With the first one's logit, which is zero and no parameter, there are three of everything.
    whole = xp.concatenate([xp.zeros_like(first[:1]), first])
    logits, scales, shapes = whole.reshape(3, len(whole) // 3, *first.shape[1:])
    return xp.moveaxis(logits, 0, axis), xp.moveaxis(scales, 0, axis), xp.moveaxis(shapes, 0, axis)


def weibull_vector(logits: Any, log_scales: Any, log_shapes: Any) -> Any:
    """The vectors (..., 3K - 1) of which these are the parts, (..., K) each."""
    return module_of(logits).concatenate(
        [logits[..., 1:] - logits[..., :1], log_scales, log_shapes], axis=-1
    )


def natural_parameters(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, scales and shapes (..., K) from unconstrained vectors (..., p)."""
    logits, log_scale, log_shape = weibull_parts(x)
    log_weights = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    with np.errstate(over="ignore"):  # what ran away is no maximum
        return np.exp(log_weights), np.exp(log_scale), np.exp(log_shape)


def as_weibulls(template: Template, x: np.ndarray) -> np.ndarray:
    """The mixture of Weibulls (3K - 1,) whose components have the quantiles of these."""
    if template.is_weibulls:
        return x
    y, log_weights = template.log_quantiles(x), template.log_weights(x)
    shape = WEIBULL_SPREAD / np.maximum(y[:, 2] - y[:, 0], 1e-300)
    log_scale = y[:, 1] - np.log(np.log(2.0)) / shape
    return weibull_vector(log_weights, log_scale, np.log(shape))


def from_weibulls(
    template: Template, weights: np.ndarray, scales: np.ndarray, shapes: np.ndarray
) -> Any:
    """The vector (p,) whose components have the quantiles of Weibulls, (K,) each."""
    return starts_from_weibulls(template, weights, scales, shapes)[0]


def starts_from_weibulls(
    template: Template, weights: np.ndarray, scales: np.ndarray, shapes: np.ndarray
) -> np.ndarray:
    """Vectors (m, p) whose components have the quantiles of Weibulls, (K,) each.

    A family may begin at several members; components begin at the first, second, ... together.
    """
    log_weights = np.log(weights)
    members, begin = [], 0
    for stack in template.stacks:
        for j in range(stack.n_components):
            scale, shape = scales[begin + j], shapes[begin + j]
            members.append((stack.positions[:, j], matched(stack, scale, shape)))
        begin += stack.n_components
    x = np.zeros((max(len(found) for _, found in members), template.size))
    x[:, template.logits] = log_weights[1:] - log_weights[0]
    for where, found in members:
        x[:, where] = found[np.minimum(np.arange(len(x)), len(found) - 1)]
    return x
