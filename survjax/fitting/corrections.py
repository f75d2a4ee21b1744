"""What is added to a log-likelihood: what few rows lack, penalties, priors, what stands still."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.pytree import data, pytree
from survjax.likelihood.vector.constraints import only_free
from survjax.likelihood.vector.template import Template


@pytree
class Correction:
    """What is added to the log-likelihood of the rows.

    A quadratic around `point`, and minus `penalty` (p,) times r - 1 - log r, r the square of the
    ratio of each parameter's exponential to that of `reference`. Parameters of which `free` (p,) is
    zero do not move. `prior` is a
    `PriorTerms` or what has such derivatives, or None.
    """

    point: Any = data()
    value: Any = data()
    gradient: Any = data()
    hessian: Any = data()
    penalty: Any = data()
    reference: Any = data()
    free: Any = data()
    prior: Any = data(default=None)

    @classmethod
    def none(cls, size: int) -> Correction:
        """Nothing, for vectors of a size."""
        # An array each: callers fill in some of them.
        point, gradient, penalty, reference = np.zeros((4, size))
        square, free = np.zeros((size, size)), np.ones(size)
        return cls(point, np.zeros(()), gradient, square, penalty, reference, free)

    @classmethod
    def of(cls, template: Template) -> Correction:
        """Nothing but what a template holds, and its priors."""
        return cls.none(template.size).within(template)

    def within(self, template: Template) -> Correction:
        """The same, with what a template holds, and its priors."""
        return dataclasses.replace(self, free=template.constraints.free, prior=template.prior)


def corrected(
    found: tuple[jax.Array, jax.Array, jax.Array], x: jax.Array, correction: Correction
) -> tuple[Any, Any, Any]:
    """Value, gradient and Hessian with a correction added."""
    value, gradient, hessian = found
    step = x - correction.point
    curved = correction.hessian @ step
    value = value + correction.value + (correction.gradient + 0.5 * curved) @ step
    gradient = gradient + correction.gradient + curved
    hessian = hessian + correction.hessian
    log_ratio = 2.0 * (x - correction.reference)
    # Far from any shape where there is no penalty, an exponential may overflow.
    ratio = jnp.exp(jnp.where(correction.penalty > 0, jnp.minimum(log_ratio, 600.0), 0.0))
    value = value - correction.penalty @ (ratio - 1.0 - log_ratio)
    gradient = gradient - 2.0 * correction.penalty * (ratio - 1.0)
    hessian = hessian - jnp.diag(4.0 * correction.penalty * ratio)
    if correction.prior is not None:
        more = correction.prior.derivatives(x)
        value, gradient, hessian = value + more[0], gradient + more[1], hessian + more[2]
    return only_free((value, gradient, hessian), correction.free, -1.0)
