"""Solvers on pytrees and iterated maps, useful on their own.

Everything here is a pure function of JAX arrays, in the caller's floating-point precision
(double after `jax.config.update("jax_enable_x64", True)`), except `basins`, which always works
in double precision and returns NumPy arrays.
"""

from survjax.optimize._basins import Basins, basins
from survjax.optimize._iterate import fixed_point, iterate, multiplier, orbit
from survjax.optimize._multistart import initial_states, multistart, resume, step
from survjax.optimize._solution import MESSAGES, ResultCode, Solution
from survjax.optimize.descent import gradient_descent, optax_minimize
from survjax.optimize.newton import newton

__all__ = [
    "MESSAGES",
    "Basins",
    "ResultCode",
    "Solution",
    "basins",
    "fixed_point",
    "gradient_descent",
    "initial_states",
    "iterate",
    "multiplier",
    "multistart",
    "newton",
    "optax_minimize",
    "orbit",
    "resume",
    "step",
]
