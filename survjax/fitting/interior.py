"""What makes a point an interior maximum of a mixture's likelihood, and what speaks against it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from survjax.fitting.local_maxima import LocalMaximum
from survjax.lifetimes import Lifetime
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


def violations(
    found: LocalMaximum, template: Template, rule: Interior, n_units: float
) -> tuple[str, ...]:
    """Why a point is not an interior maximum, the most telling reason first; empty if it is one."""
    return violations_of([found], template, rule, n_units)[0]


def violations_of(
    found: Sequence[LocalMaximum], template: Template, rule: Interior, n_units: float
) -> list[tuple[str, ...]]:
    """The same of several points, looked at together."""
    known = [end.known.get((rule, n_units)) for end in found]
    new = [end for end, reasons in zip(found, known, strict=True) if reasons is None]
    if not new:
        return [reasons or () for reasons in known]
    against = violated(
        np.stack([end.x for end in new]),
        np.array([end.value for end in new]),
        np.stack([end.hessian for end in new]),
        np.array([end.code for end in new]),
        np.stack([np.ones(end.x.size) if end.units is None else end.units for end in new]),
        template,
        rule,
        np.full(len(new), n_units),
    )
    table, words = np.stack([there for there, _ in against], axis=1), [w for _, w in against]
    judged = iter(tuple(words[j] for j in np.flatnonzero(row)) for row in table)
    return [next(judged) if reasons is None else reasons for reasons in known]


def violated(
    x: np.ndarray,
    value: np.ndarray,
    hessian: np.ndarray,
    code: np.ndarray,
    units: np.ndarray | None,
    template: Template,
    rule: Interior,
    n_units: np.ndarray,
) -> list[tuple[np.ndarray, str]]:
    """What may speak against points (m, p) as interior maxima, and for which (m,) it does.

    `value` (m,), `hessian` (m, p, p) and `code` (m,) are those of iterations that ended there, and
    `units` (m, p) what the entries are multiplied by where their size is judged.
    """
    words = []
    if template.n_components > 1:
        steep = template.shapes(x).max(axis=-1) > rule.max_shape
        words.append((steep, f"a component collapses on one time (shape over {rule.max_shape:g})"))
        expected_units = n_units
        if template.is_modified:
            expected_units = n_units * np.array([template.at(one).share_inside() for one in x])
        light = np.exp(template.log_weights(x).min(axis=-1)) * expected_units < rule.min_units
        words.append((light, f"a component holds fewer than {rule.min_units:g} expected units"))
    words += _improper(template, x)
    scales = np.abs(x[:, template.log_scales]).max(axis=-1, initial=0.0)
    words.append((scales > RANGE, "a scale leaves the range of numbers"))
    smallest, errors = _errors(hessian, template.constraints.free)
    errors = (errors * _units(units, template)).max(axis=-1, initial=0.0)
    open_ = (smallest > 0) & (errors > OPEN)
    words.append((open_, "the data leave a parameter open"))
    arrived = (code == int(ResultCode.CONVERGED)) | (code == int(ResultCode.ROUNDING))
    words.append((~arrived, "the iteration did not converge"))
    words.append((arrived & ~np.isfinite(value), "the log-likelihood is not finite"))
    words.append((~(smallest > 0), "the Hessian is not negative definite"))
    singular = (smallest > 0) & (smallest < 1e-11) & ~open_
    words.append((singular, "the Hessian is singular within rounding"))
    return words


def _improper(template: Template, x: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """Points (m, p) at which a component is no lifetime, as its family says."""
    words = []
    for stack in template.stacks:
        if type(stack.lifetime).improper is Lifetime.improper:
            continue
        for where in stack.positions.T:
            found = [single(stack, one[where]).improper() for one in x]
            reasons_given = np.array(found)
            words += [(reasons_given == word, word) for word in dict.fromkeys(found) if word]
    return words


def _errors(hessian: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest eigenvalues (m,) of scaled informations, and the standard errors (m, p)."""
    unit, scale = unit_information(-hessian)
    values, vectors = _spectrum(unit)
    # The pseudo-inverse's diagonal: directions lost in rounding say nothing.
    reasons_given = values > 1e-15 * values[:, -1:]
    inverse = np.where(reasons_given, 1.0 / np.where(reasons_given, values, 1.0), 0.0)
    errors = scale * np.sqrt(np.sum(vectors**2 * inverse[:, None], axis=-1))
    return values[:, 0], errors * free


def _units(units: np.ndarray | None, template: Template) -> np.ndarray:
    """What errors (m, p) are multiplied by: logs count as they are, the rest in their own units."""
    logs = np.array([name.startswith("log") for name in template.names])
    return np.where(logs, 1.0, 1.0 if units is None else units)


def unit_information(information: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The information (..., p, p) scaled to a unit diagonal, free of units; the scales (..., p).

    NaN where it has no positive diagonal, and so is not definite.
    """
    diagonal = np.diagonal(information, axis1=-2, axis2=-1)
    good = np.isfinite(information).all(axis=(-2, -1)) & (diagonal > 0).all(axis=-1)
    scale = 1.0 / np.sqrt(np.where(good[..., None], diagonal, np.nan))
    with np.errstate(over="ignore"):
        return information * scale[..., :, None] * scale[..., None, :], scale


def _spectrum(unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and vectors of scaled informations; NaN where their entries tell of none."""
    # No entry of a definite matrix exceeds its diagonal: LAPACK may fail on such that do.
    good = (np.abs(unit) < 2.0).all(axis=(-2, -1))
    safe = np.where(good[..., None, None], unit, np.eye(unit.shape[-1]))
    values, vectors = np.linalg.eigh(safe)
    return np.where(good[..., None], values, np.nan), np.where(
        good[..., None, None], vectors, np.nan
    )


def smallest_eigenvalue(unit: np.ndarray) -> float:
    """Smallest eigenvalue of a scaled information; NaN where its entries tell that it has none."""
    return float(_spectrum(unit)[0][0])
