"""Whether a point is a proper maximum, and which parameters the data leave open."""

from __future__ import annotations

import jax
import numpy as np

from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.fitting.local_maxima import LocalMaximum
from survjax.lifetimes import Lifetime
from survjax.likelihood.regression.forms import Form, Layout
from survjax.likelihood.regression.history_likelihood import HistoryLikelihood
from survjax.likelihood.regression.likelihood import Likelihood
from survjax.optimize import ResultCode

#: How an iteration ends at a maximum.
ARRIVED = (ResultCode.CONVERGED, ResultCode.ROUNDING)
#: A coefficient with a standard error above this, per standard deviation of its column, is open.
OPEN = 30.0
#: So is one as large as this, whatever its error.
FAR = 200.0


def violations(found: LocalMaximum, least: float = 1e-13) -> tuple[str, ...]:
    """Why a point is not a proper maximum; empty where it is one.

    `least` is the smallest eigenvalue of the information, scaled to a diagonal of ones, next to
    the largest.
    """
    if found.code not in ARRIVED:
        return ("the iteration did not converge",)
    information = -found.hessian
    if not np.all(np.isfinite(information)) or np.any(np.diag(information) <= 0):
        return ("the Hessian is not negative definite",)
    unit = 1.0 / np.sqrt(np.diag(information))
    values = np.linalg.eigvalsh(information * np.outer(unit, unit))
    if values[0] <= least * values[-1]:
        return ("the Hessian is singular: parameters cannot be told apart",)
    return ()


def steepest(
    likelihood: Likelihood | HistoryLikelihood,
    theta: np.ndarray,
    shares: np.ndarray,
    weight: np.ndarray,
) -> float:
    """Log of the largest shape that a component has at a failed unit of which it holds most.

    `shares` and `weight` are the memberships. Minus infinity where no column moves a shape: the
    mean asset's shapes are then those of all.
    """
    named = [item for item in likelihood.layout if item.name.startswith("log_shape")]
    if all(len(item.columns) == 1 for item in named):
        return -np.inf
    shapes = likelihood.failed_shapes(theta)
    held = (shares[: len(shapes)] > 0.5) & (weight > 0)
    return float(np.max(shapes, where=held, initial=-np.inf))


def intercepts_of(layout: Layout) -> np.ndarray:
    """Which coefficients are intercepts: their size depends on the unit of time."""
    return np.concatenate([np.array(item.columns) == 0 for item in layout])


def step_units(form: Form, layout: Layout, theta: np.ndarray) -> np.ndarray:
    """What each coefficient (P,) is multiplied by where its size is judged.

    Columns are standardized, and most parameters logarithms; a base of another kind, whose
    parameters may be in the unit of time, says for itself.
    """
    return np.concatenate([_own_units(*part) for part in form.parts(layout, theta)])


def _own_units(form: Form, layout: Layout, theta: np.ndarray) -> np.ndarray:
    """`step_units` of one cause."""
    units = np.ones(theta.size)
    if form.modifier is not None and not form.base_fixed:
        sizes = np.array([len(item.columns) for item in layout])
        # At the center, where effects add nothing.
        base = theta[np.cumsum(sizes)[:-1]]
        own = ravel_parameters(form.template)[1](base)
        units[sizes[0] :] = np.repeat(np.asarray(_step_units(own)), sizes[1:])
    return units


@program
def _step_units(lifetime: Lifetime) -> jax.Array:
    return ravel_parameters(lifetime.step_units())[0]


def open_parameters(found: LocalMaximum, intercepts: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Positions of parameters that the data leave open: they run off to infinity."""
    information = -found.hessian
    if not np.all(np.isfinite(information)) or np.any(np.diag(information) <= 0):
        return np.zeros(0, int)
    unit = 1.0 / np.sqrt(np.diag(information))
    values, vectors = np.linalg.eigh(information * np.outer(unit, unit))
    if values[0] <= 1e-13 * values[-1]:
        # Where the curvature vanishes, the direction says which parameters cannot be told apart.
        flat = vectors[:, 0] * unit
        return np.flatnonzero(np.abs(flat) > 0.3 * np.abs(flat).max())
    # Of the scaled curvature: an inverse of the other one takes small curvatures for rounding.
    errors = unit * np.sqrt(np.sum(vectors**2 / np.maximum(values, 1e-300), axis=1))
    far = (np.abs(found.x) > FAR) & ~intercepts
    return np.flatnonzero((errors * units > OPEN) | far)
