"""Quadrature: double-exponential on the half line (Takahasi and Mori 1974), and Gauss-Legendre.

The first is the trapezoidal rule after a substitution that makes the integrand die doubly
exponentially at both ends: end-point singularities such as u^(1/shape) cost no accuracy. Where
there are none, Gauss's rule needs half as many nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np


def _exponential_nodes(step: float = 0.125) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for integrals of f(u) exp(-u) over (0, inf): u = exp(x - exp(-x)).

    The step of 0.125 gives 63 nodes.
    """
    x = np.arange(-3.2, 5.0, step)
    u = np.exp(x - np.exp(-x))
    weights = step * u * (1.0 + np.exp(-x)) * np.exp(-u)
    keep = weights > 1e-40
    return u[keep], weights[keep]


def _log_unit_nodes(step: float = 1.0 / 32.0) -> tuple[np.ndarray, np.ndarray]:
    """Logs of nodes and weights for integrals over (0, 1): u = 1 / (1 + exp(-pi sinh x)).

    Of 269 nodes the first is at 1e-124: u^(shape - 1) leaves 1e-12 at a shape of 0.1, and second
    derivatives there are numbers yet. So do peaks of a width of a thirtieth, and exp(-u 1e6).
    """
    x = np.arange(-5.2, 3.2 + step / 2, step)
    g = math.pi * np.sinh(x)
    log_u = -np.logaddexp(0.0, -g)
    log_weight = np.log(step * math.pi * np.cosh(x)) + log_u - np.logaddexp(0.0, g)
    return log_u, log_weight - np.log(np.sum(np.exp(log_weight)))


#: For E f(U) with U a unit exponential.
EXPONENTIAL_NODES, EXPONENTIAL_WEIGHTS = _exponential_nodes()
#: For integrals over (0, 1) of functions that are singular, or steep, at an end: logs of both.
LOG_UNIT_NODES, LOG_UNIT_WEIGHTS = _log_unit_nodes()
#: For integrals over (0, 1) of entire functions.
UNIT_NODES, UNIT_WEIGHTS = (0.5 * part for part in np.polynomial.legendre.leggauss(32))
UNIT_NODES = UNIT_NODES + 0.5
#: The same with few nodes, for functions that change by a factor of about e at most.
FEW_NODES, FEW_WEIGHTS = (0.5 * part for part in np.polynomial.legendre.leggauss(9))
FEW_NODES = FEW_NODES + 0.5
#: For integrals over one panel (-1, 1), which is halved until a polynomial resolves the function.
PANEL_NODES, PANEL_WEIGHTS = np.polynomial.legendre.leggauss(16)
#: Rows that give the last two Legendre coefficients of a function from its values at these nodes.
LAST_COEFFICIENTS = np.stack(
    [
        (k + 0.5) * PANEL_WEIGHTS * np.polynomial.legendre.Legendre.basis(k)(PANEL_NODES)
        for k in (14, 15)
    ]
)


def mean_over(
    function: Callable[[jax.Array], jax.Array], begin: jax.Array, width: jax.Array
) -> jax.Array:
    """Mean of a smooth function over (begin, begin + width), in which it hardly changes."""
    # Nodes lead: rows stay on the last, contiguous axis.
    shape = (-1,) + (1,) * jnp.broadcast_arrays(begin, width)[0].ndim
    nodes, weights = (part.reshape(shape) for part in (FEW_NODES, FEW_WEIGHTS))
    return jnp.sum(weights * function(begin + width * nodes), axis=0)
