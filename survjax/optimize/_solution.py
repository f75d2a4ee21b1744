"""The outcome of a minimization as data, with one message for each way to stop."""

from __future__ import annotations

import enum
from typing import Any

import jax
import numpy as np

from survjax._core.pytree import data, pytree


class ResultCode(enum.IntEnum):
    """Why a solver stopped."""

    RUNNING = 0
    CONVERGED = 1
    ROUNDING = 2
    MAX_ITERATIONS = 3
    NOT_FINITE = 4
    STALLED = 5
    DIVERGED = 6


MESSAGES = {
    ResultCode.RUNNING: "the solver is still running",
    ResultCode.CONVERGED: "converged: the stopping measure fell below the tolerance",
    ResultCode.ROUNDING: "converged: rounding hides any further descent",
    ResultCode.MAX_ITERATIONS: "stopped at max_iter before it converged",
    ResultCode.NOT_FINITE: "the function or its derivatives are not finite at the start",
    ResultCode.STALLED: "stopped: no step descends, and the gradient is not zero",
    ResultCode.DIVERGED: "diverged: the next point is not finite (try shorter steps)",
}


@pytree
class Solution:
    """What a minimization found.

    Attributes
    ----------
    parameters : pytree
        The best point found, of the same structure as the start.
    value : scalar
        The function there.
    gradient : pytree
        Its gradient, of the same structure.
    hessian : array of shape (p, p) or None
        Its Hessian over the raveled parameters, where the solver forms it.
    decrement : scalar
        The Newton decrement sqrt(g' H^-1 g) (Boyd and Vandenberghe 2004, section 9.5.1), free
        of units and parametrization; first-order solvers give the norm of the gradient.
    n_iter : int
        Evaluations of the derivatives after the first.
    code : int
        A `ResultCode`; `message` says it in words.
    path : pytree or None
        (values (max_iter + 1,), points (max_iter + 1, p)) where it was asked for; entries
        beyond `n_iter` are NaN.
    """

    parameters: Any = data()
    value: Any = data()
    gradient: Any = data()
    hessian: Any = data()
    decrement: Any = data()
    n_iter: Any = data()
    code: Any = data()
    path: Any = data(default=None)

    @property
    def converged(self) -> Any:
        """True where the solver met its tolerance (an array for a batch of solutions)."""
        code = self.code if isinstance(self.code, jax.core.Tracer) else np.asarray(self.code)
        return (code == ResultCode.CONVERGED) | (code == ResultCode.ROUNDING)

    @property
    def message(self) -> str:
        """The reason in words, for a single solution."""
        return MESSAGES[ResultCode(int(self.code))]
