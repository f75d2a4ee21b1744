r"""Bounds from all maxima of a likelihood, not only the highest.

A mixture's likelihood has several interior maxima, often within a unit or two of each other, and
the highest is not always the one where most of the likelihood lies: a maximum that owes its
height to a handful of neighbors is narrow. A delta-method bound that knows one of them only is
too short (measured: docs/studies/coverage.md). So each maximum j counts with Laplace's
approximation to the likelihood's integral around it,

    weight_j \propto exp(l_j) |C_j|^(1/2),     C_j the inverse of the observed information,

and the bounds are quantiles of the mixture of the normal distributions that the delta method
gives at each (Kass and Raftery 1995, section 4; Hoeting and others 1999). With one maximum they
are the delta method's own. They always hold the estimate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from survjax._core.normal import normal_cdf
from survjax._core.pytree import ravel_parameters
from survjax.data.observations import Observations
from survjax.fitting.interior import Interior, violations
from survjax.fitting.local_maxima import LocalMaximum
from survjax.lifetimes import Lifetime, Mixture
from survjax.likelihood.vector.template import Template
from survjax.prediction.curves import (
    by_inversion,
    evaluate,
    membership_logits,
    response_interval,
)
from survjax.uncertainty.delta import link_errors, normal_quantile
from survjax.uncertainty.profile import profile_bounds
from survjax.uncertainty.profile_parameters import profile_parameters
from survjax.uncertainty.targets import Target, target_errors

#: Maxima that weigh less than this share, rank behind this many, or lie lower by this are left out.
LIGHT, MOST, NEAR = 0.005, 12, 15.0


@dataclasses.dataclass(frozen=True)
class Maxima:
    """The maxima that count, the answer first.

    Attributes
    ----------
    parameters : array of shape (m, p)
        Unconstrained.
    covariances : array of shape (m, p, p)
        Inverse observed information at each.
    weights : array of shape (m,)
        Shares of the evidence; they sum to one.
    """

    parameters: np.ndarray
    covariances: np.ndarray
    weights: np.ndarray


def weigh(
    template: Template,
    x: np.ndarray,
    hessian: np.ndarray,
    value: float,
    others: Sequence[LocalMaximum],
    rule: Interior,
    n_units: float,
) -> Maxima | None:
    """The maxima that count beside the answer x (p,), or None where there is no other.

    Their components are put in the order that is nearest to the answer's.
    """
    high = (c for c in others if value - c.value < NEAR)
    near = [c for c in high if not violations(c, template, rule, n_units)]
    if not near:
        return None
    hessians = [hessian]
    points = [x]
    for c, order in zip(
        near, template.nearest_orders(np.stack([c.x for c in near]), x, -hessian), strict=True
    ):
        change = template.reordering(order)
        back = np.linalg.inv(change)
        points.append(change @ c.x)
        hessians.append(back.T @ c.hessian @ back)
    heights = np.array([value, *(c.value for c in near)])
    evidence = heights - 0.5 * np.array([np.linalg.slogdet(-h)[1] for h in hessians])
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    kept = np.argsort(-weights[1:], kind="stable")[: MOST - 1] + 1
    kept = np.concatenate([[0], kept[weights[kept] > LIGHT]])
    if kept.size == 1:
        return None
    return Maxima(
        np.stack([points[i] for i in kept]),
        np.stack([template.constraints.covariance(hessians[i]) for i in kept]),
        weights[kept] / weights[kept].sum(),
    )


def bounded(
    lifetime: Lifetime,
    covariance: np.ndarray,
    maxima: Maxima | None,
    curves: tuple[str, ...],
    t: np.ndarray,
    ages: np.ndarray,
    level: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Curves of the remaining life at ages with bounds, over all maxima.

    Parameters
    ----------
    lifetime, covariance, curves, t, ages
        As in `survjax.prediction.curves.evaluate`.
    maxima : Maxima or None
        None: there is only the one.
    level : float
        Confidence level.

    Returns
    -------
    values, errors : arrays of shape (len(curves), n)
        On the link scale, at the answer.
    lower, upper : arrays of shape (len(curves), n)
        On the response scale.
    """

    def safe_bounds(
        curves: tuple[str, ...], t: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return over_all(
            lambda at, c: evaluate(at, c, curves, t, ages), lifetime, covariance, maxima, level
        )

    values, errors, low, high = safe_bounds(curves, t)
    rows = [i for i, curve in enumerate(curves) if curve == "quantile"]
    if rows and lifetime.levels_off:
        names = len(rows) * ("cumulative_hazard",)

        def band(times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            found = safe_bounds(names, times)
            return found[0], *found[2:]

        def times_at(hazards: np.ndarray) -> np.ndarray:
            return evaluate(lifetime, None, len(rows) * ("time_at_hazard",), hazards, ages)[0]

        shares = np.broadcast_to(np.asarray(t, float), values.shape)[rows]
        low[rows], high[rows] = by_inversion(shares, values[rows], band, times_at)
    lower, upper = np.empty_like(low), np.empty_like(high)
    for i, curve in enumerate(curves):
        lower[i], upper[i] = response_interval(curve, low[i], high[i])
    return values, errors, lower, upper


def bounded_memberships(
    mixture: Mixture,
    covariance: np.ndarray,
    maxima: Maxima | None,
    ages: np.ndarray,
    failed: np.ndarray,
    level: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of memberships with their bounds (K, n), over all maxima."""
    found = over_all(
        lambda at, c: membership_logits(at, c, ages, failed), mixture, covariance, maxima, level
    )
    return found[0], *found[2:]


def over_all(
    quantity: Callable[[Any, np.ndarray], tuple[np.ndarray, np.ndarray]],
    lifetime: Lifetime,
    covariance: np.ndarray,
    maxima: Maxima | None,
    level: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A quantity and its errors at the answer, with bounds over all maxima, on the link scale."""
    values, errors = quantity(lifetime, covariance)
    if maxima is None:
        half = normal_quantile(level) * errors
        low, high = values - half, values + half
    else:
        # The answer stands first: it is evaluated already.
        found = [(values, errors)]
        _, unravel = ravel_parameters(lifetime)
        for x, c in zip(maxima.parameters[1:], maxima.covariances[1:], strict=True):
            found.append(quantity(unravel(x), c))
        centers, spreads = (np.stack(part) for part in zip(*found, strict=True))
        low, high = averaged(centers, spreads, maxima.weights, level)
    # An error that is not finite belongs to a point that every parameter shares, such as S(0) = 1.
    low, high = (np.where(np.isfinite(values), part, values) for part in (low, high))
    return values, errors, low, high


def averaged(
    values: np.ndarray, errors: np.ndarray, weights: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (...) from values and errors (m, ...) at each maximum; the first is the estimate."""
    usable = np.all(np.isfinite(values) & (errors >= 0), axis=0)
    center = np.where(usable, values, 0.0)
    spread = np.where(usable, np.maximum(errors, 1e-12 * (1.0 + np.abs(center))), 1.0)
    z = normal_quantile(level)
    low, high = (
        _mixture_quantile(center, spread, weights, side * z, 0.5 * (1.0 + side * level))
        for side in (-1.0, 1.0)
    )
    nothing = np.where(usable, 0.0, np.nan)
    return np.minimum(low, values[0]) + nothing, np.maximum(high, values[0]) + nothing


def _mixture_quantile(
    center: np.ndarray, spread: np.ndarray, weights: np.ndarray, z: float, share: float
) -> np.ndarray:
    """Where a mixture of normals reaches a share: Newton's method inside a bracket.

    The components' own quantiles, at the standard normal's z, enclose the mixture's.
    """
    ends = center + z * spread
    low, high = ends.min(axis=0), ends.max(axis=0)
    if weights.ndim == 1:  # else of as many axes as the values
        weights = weights.reshape(-1, *(1,) * (center.ndim - 1))
    x = 0.5 * (low + high)
    for _ in range(100):
        standard = (x - center) / spread
        gap = np.sum(weights * normal_cdf(standard), axis=0) - share
        low, high = np.where(gap < 0, x, low), np.where(gap > 0, x, high)
        density = np.sum(weights * np.exp(-0.5 * standard**2) / spread, axis=0) / np.sqrt(2 * np.pi)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = x - gap / density
        inside = (newton >= low) & (newton <= high)
        moved = np.where(inside, newton, 0.5 * (low + high))
        if np.all(np.abs(moved - x) <= 1e-10 * (spread.min(axis=0) + np.abs(x))):
            return moved
        x = moved
    return x


def parameter_bounds(
    template: Template,
    x: np.ndarray,
    covariance: np.ndarray,
    maxima: Maxima | None,
    level: float,
) -> np.ndarray:
    """Delta-method bounds (m, 2) of weights and parameters as people read them, all maxima."""
    values, errors = link_errors(template, x, covariance)
    if maxima is None:
        half = normal_quantile(level) * errors
        ends = values - half, values + half
    else:
        found = [
            link_errors(template, point, c)
            for point, c in zip(maxima.parameters, maxima.covariances, strict=True)
        ]
        centers, spreads = (np.stack(part) for part in zip(*found, strict=True))
        ends = averaged(centers, spreads, maxima.weights, level)
    return np.stack([template.response(part) for part in ends], axis=1)


def profiled(
    template: Template,
    x: np.ndarray,
    covariance: np.ndarray,
    maxima: Maxima | None,
    rows: Observations,
    curve: str,
    target: Target,
    level: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Profile bounds (m,) on the link scale: the farthest of those that start at each maximum.

    A maximum of lesser weight counts as if the likelihood had fallen by the log of the ratio.
    """
    goal = normal_quantile(level)
    if maxima is None:
        starts = [(x, covariance, goal)]
    else:
        fall = 2.0 * np.log(maxima.weights.max() / maxima.weights)
        fall[0] = 0.0
        goals = np.sqrt(np.maximum(goal**2 - fall, 0.0))
        starts = list(zip(maxima.parameters, maxima.covariances, goals, strict=True))
    found = []
    for x, c, critical_value in starts:
        if critical_value > 0.0:
            if curve == "natural":
                index = target.index
                values, errors = (part[index] for part in link_errors(template, x, c))
                known = (values, errors, critical_value)
                found.append(profile_parameters(template, x, rows, index, *known))
            else:
                known = (*target_errors(template.at(x), c, target, curve=curve), critical_value)
                found.append(profile_bounds(template, x, rows, curve, target, *known))
    low, high = zip(*found, strict=True)
    return np.fmin.reduce(low), np.fmax.reduce(high)
