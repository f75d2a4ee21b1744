"""What makes a point an interior maximum of a mixture's likelihood, and what speaks against it."""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.fitting.local_maxima import LocalMaximum
from survjax.likelihood.vector.stacks import single
from survjax.likelihood.vector.template import Template
from survjax.optimize import ResultCode

#: A standard error above this, on the log or logit scale or in units of the model's own, means that
#: the data leave a parameter open: the likelihood levels off, toward a supremum at infinity.
OPEN = 100.0
#: Logs of scales beyond this are not numbers of 64 bits.
RANGE = 700.0


@dataclasses.dataclass(frozen=True)
class Interior:
    """The rule that an answer must meet, besides a zero gradient and a definite Hessian.

    Attributes
    ----------
    max_shape : float
        No component steeper than this: beyond lie collapses on single times.
    min_units : float
        Expected units that each component must hold.
    """

    max_shape: float = 60.0
    min_units: float = 1.5


def faults(
    found: LocalMaximum, template: Template, rule: Interior, n_units: float
) -> tuple[str, ...]:
    """Why a point is not an interior maximum, the most telling reason first; empty if it is one."""
    words = []
    if template.n_components > 1:
        if template.shapes(found.x).max() > rule.max_shape:
            words.append(f"a component collapses on one time (shape over {rule.max_shape:g})")
        held = n_units * template.at(found.x).share_inside()
        if np.exp(template.log_weights(found.x).min()) * held < rule.min_units:
            words.append(f"a component holds fewer than {rule.min_units:g} expected units")
    for stack in template.stacks:
        each = (single(stack, found.x[where]).improper() for where in stack.positions.T)
        words += [word for word in each if word]
    scales = found.x[template.log_scales]
    if np.abs(scales).max(initial=0.0) > RANGE:
        words.append("a scale leaves the range of numbers")
    unit, scale = unit_information(-found.hessian)
    values, vectors = _spectrum(unit)
    smallest = float(values[0])
    # The pseudo-inverse's diagonal: directions lost in rounding say nothing.
    told = values > 1e-15 * values[-1]
    errors = scale * np.sqrt(np.sum(vectors[:, told] ** 2 / values[told], axis=1))
    errors = errors * template.held.free
    open_ = smallest > 0 and np.max(errors * _units(found, template)) > OPEN
    if open_:
        words.append("the data leave a parameter open")
    if found.code not in (ResultCode.CONVERGED, ResultCode.ROUNDING):
        words.append("the iteration did not converge")
    elif not np.isfinite(found.value):
        words.append("the log-likelihood is not finite")
    if not smallest > 0:
        words.append("the Hessian is not negative definite")
    elif smallest < 1e-11 and not open_:
        words.append("the Hessian is singular within rounding")
    return tuple(words)


def _units(found: LocalMaximum, template: Template) -> np.ndarray:
    """What errors (p,) are multiplied by: logs count as they are, the rest in the model's units."""
    logs = np.array([name.startswith("log") for name in template.names])
    return np.where(logs, 1.0, 1.0 if found.units is None else found.units)


def unit_information(information: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The information scaled to a unit diagonal, free of units, and the scales (p,).

    NaN where it has no positive diagonal, and so is not definite.
    """
    diagonal = information.diagonal()
    if not (np.isfinite(information).all() and (diagonal > 0).all()):
        return np.full_like(information, np.nan), np.full_like(diagonal, np.nan)
    scale = 1.0 / np.sqrt(diagonal)
    with np.errstate(over="ignore"):
        return information * scale[:, None] * scale, scale


def _spectrum(unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and vectors of a scaled information; NaN where its entries tell it has none."""
    # No entry of a definite matrix exceeds its diagonal: LAPACK may fail on such that do.
    if not (np.abs(unit) < 2.0).all():
        return np.full(len(unit), np.nan), np.full_like(unit, np.nan)
    values, vectors = np.linalg.eigh(unit)
    return values, vectors


def smallest_eigenvalue(unit: np.ndarray) -> float:
    """Smallest eigenvalue of a scaled information; NaN where its entries tell that it has none."""
    return float(_spectrum(unit)[0][0])
