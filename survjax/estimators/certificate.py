"""What says whether a fit is a maximum."""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.fitting.interior import smallest_eigenvalue, unit_information
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.search import Maximum
from survjax.optimize import MESSAGES, ResultCode


@dataclasses.dataclass(frozen=True)
class Certificate:
    """Evidence that a fit is, or is not, an interior maximum.

    Attributes
    ----------
    decrement : float
        Newton decrement: the distance to the optimum, in standard errors.
    gradient : float
        Largest entry of the gradient per unit.
    smallest_eigenvalue : float
        Of the information matrix scaled to a unit diagonal; positive at a proper maximum,
        near zero where parameters cannot be told apart.
    n_starts, n_agreeing : int
        Starts tried, near twins counted once, and how many ended at this answer.
    violations : tuple of str
        Why the answer is not an interior maximum; empty where it is one.
    other_maxima : tuple of float
        Log-likelihoods of the other end points; a higher one is a collapse on single times.
    message : str
        How the last iteration ended.
    at_bounds : tuple of str
        Parameters that stand at a bound of the user's, where the likelihood still rises beyond it:
        they count as fixed in errors and bounds.
    """

    decrement: float
    gradient: float
    smallest_eigenvalue: float
    n_starts: int
    n_agreeing: int
    violations: tuple[str, ...]
    other_maxima: tuple[float, ...]
    message: str
    at_bounds: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """A maximum, inside or at bounds, or the first violation."""
        if self.violations:
            return self.violations[0]
        bounded = f"maximum at the bounds of {', '.join(self.at_bounds)}"
        return bounded if self.at_bounds else "interior maximum"


def certify(
    found: Maximum, hessian: np.ndarray, n_units: float, at_bounds: tuple[str, ...] = ()
) -> Certificate:
    """Collect the evidence on a maximum."""
    return Certificate(
        decrement=float(found.best.decrement),
        gradient=float(np.max(np.abs(found.best.gradient)) / n_units),
        smallest_eigenvalue=smallest_eigenvalue(unit_information(-hessian)[0]),
        n_starts=found.n_starts,
        n_agreeing=found.n_agreeing,
        violations=found.violations,
        other_maxima=tuple(float(c.value) for c in found.others),
        message=MESSAGES[ResultCode(found.best.code)],
        at_bounds=at_bounds,
    )


def certify_regression(
    found: LocalMaximum,
    words: tuple[str, ...],
    n_units: float,
    at_bounds: tuple[str, ...] = (),
) -> Certificate:
    """The evidence on a maximum, as for every other fit."""
    information, smallest = -found.hessian, np.nan
    diagonal = np.diag(information)
    if np.all(np.isfinite(information)) and np.all(diagonal > 0):
        unit = 1.0 / np.sqrt(diagonal)
        smallest = float(np.linalg.eigvalsh(information * np.outer(unit, unit))[0])
    gradient = float(np.max(np.abs(found.gradient)) / n_units)
    message = MESSAGES[ResultCode(found.code)]
    return Certificate(found.decrement, gradient, smallest, 1, 1, words, (), message, at_bounds)
