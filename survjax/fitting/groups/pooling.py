r"""Small groups borrow strength: a normal prior on their parameters, fitted to all groups.

The parameters x_g of the groups, on their unbounded scales, are taken for draws from a normal
distribution whose mean m and covariance A the groups themselves tell (parametric empirical Bayes:
Morris 1983; Efron 2010, chapter 1). With V_g the posterior covariance of a group,

    B_g = V_g A^{-1}

is how far it is drawn to m. Mean and covariance maximize the marginal likelihood by the EM
algorithm. Posterior means and covariances are integrals by Gauss and Hermite's rule around the
posterior mode (Liu and Pierce 1994): the likelihood of a small group is skewed, and modes alone
would carry m with them. Between two rounds of these, the likelihood of each group is replaced by
the normal one that has led to its moments, J_g = V_g^{-1} - A^{-1}, under which the EM algorithm
takes no look at the rows. That m is estimated adds B_g cov(m) B_g' to V_g, and is allowed for in A,
as restricted likelihood does (Harville 1977).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.fitting.corrections import Correction
from survjax.fitting.groups.maxima import GroupMaxima
from survjax.fitting.groups.newton import Ends, maximize_runs
from survjax.fitting.groups.prior import (
    LEAST,
    Coordinates,
    Moments,
    Prior,
    change_between,
    extrapolated,
    next_prior,
)
from survjax.fitting.groups.rows import GroupedRows
from survjax.fitting.settings import Settings
from survjax.likelihood.vector.template import Template
from survjax.optimize import ResultCode

#: Turns of moments and prior, and the change at which they end.
TURNS, TOLERANCE = 50, 1e-4
#: Turns that the next prior is extrapolated from.
MEMORY = 5
#: Nodes along each direction, of up to two parameters and of more.
NODES, FEWER_NODES = 5, 3


@dataclasses.dataclass(frozen=True)
class Pooled:
    """What pooling found: the prior, and the posterior mean and covariance of each group.

    Attributes
    ----------
    prior : Prior
    x, covariance : arrays of shape (n_groups, p) and (n_groups, p, p)
    drawn : array of shape (n_groups,)
        How far each group was drawn to the mean: 0 where it stands by itself, 1 where it tells
        nothing.
    converged : array of shape (n_groups,)
        Whether each mode was found.
    settled : bool
        Whether the prior stood still in the end.
    """

    prior: Prior
    x: np.ndarray
    covariance: np.ndarray
    drawn: np.ndarray
    converged: np.ndarray
    settled: bool


def pooled(
    template: Template, groups: GroupedRows, own: GroupMaxima, settings: Settings
) -> Pooled | None:
    """Shrink the parameters of all groups to what they have in common.

    `own` are the maxima of those groups that have one: the prior is first read off them. None
    where they are too few.
    """
    p = template.size
    if own.which.size < p + 2:
        return None
    n_groups = groups.n_units.size
    spread = np.cov(own.ends.x.T).reshape(p, p)
    prior = Prior(np.median(own.ends.x, axis=0), spread, spread)
    x = np.repeat(prior.mean[None], n_groups, axis=0)
    x[own.which] = own.ends.x
    coordinates, tried = Coordinates(prior), []
    for _ in range(TURNS):
        ends = _modes(template, groups, x, prior, settings)
        moments = _moments(template, groups, ends, prior, settings)
        x, before = ends.x, prior
        following = next_prior(before, moments)
        change = change_between(before, following)
        if change < TOLERANCE:
            break
        tried.append((coordinates.of(before), coordinates.of(following)))
        prior = coordinates.prior(extrapolated(tried[-MEMORY:]), following)
    return _posterior(ends, moments, before, change < TOLERANCE)


def _correction(template: Template, prior: Prior) -> Correction:
    """The log density of the prior, but for its constant."""
    precision = np.linalg.inv(prior.covariance)
    return dataclasses.replace(Correction.of(template), point=prior.mean, hessian=-precision)


def _moments(
    template: Template, groups: GroupedRows, ends: Ends, prior: Prior, settings: Settings
) -> Moments:
    """Posterior moments around the modes, by a product of Gauss and Hermite's rules."""
    p = template.size
    points, weights = np.polynomial.hermite_e.hermegauss(NODES if p <= 2 else FEWER_NODES)
    z = np.stack(np.meshgrid(*[points] * p, indexing="ij"), axis=-1).reshape(-1, p)
    log_weight = np.sum(
        np.stack(np.meshgrid(*[np.log(weights)] * p, indexing="ij"), axis=-1), axis=-1
    ).ravel()
    root = np.linalg.cholesky(np.linalg.inv(-ends.hessian))
    nodes = ends.x[:, None] + np.einsum("gpq,kq->gkp", root, z)
    value = np.empty(nodes.shape[:2])
    for k in range(len(z)):
        at = _modes(template, groups, nodes[:, k], prior, settings, max_iter=0)
        value[:, k] = at.value
    log_ratio = value - ends.value[:, None] + 0.5 * np.sum(z * z, axis=1) + log_weight
    share = np.exp(log_ratio - np.max(log_ratio, axis=1, keepdims=True, initial=-np.inf))
    share = np.where(np.isfinite(share), share, 0.0)
    share /= share.sum(axis=1, keepdims=True)
    # In units of the curvature at the mode, where the normal distribution has moments 0 and 1.
    center = share @ z
    spread = np.einsum("gk,kp,kq->gpq", share, z, z) - center[:, :, None] * center[:, None]
    # All weight on one node says that the rule is too coarse: the mode and its curvature stand in.
    known = np.linalg.eigvalsh(spread)[:, 0] > LEAST
    center = np.where(known[:, None], center, 0.0)
    spread = np.where(known[:, None, None], spread, np.eye(p))
    mean = ends.x + (root @ center[..., None])[..., 0]
    return Moments(mean, root @ spread @ np.swapaxes(root, 1, 2))


def _modes(
    template: Template,
    groups: GroupedRows,
    x: np.ndarray,
    prior: Prior,
    settings: Settings,
    max_iter: int | None = None,
) -> Ends:
    """Posterior modes of all groups under a prior, from x (n_groups, p)."""
    limits = settings.limits(1, 1.0)
    if max_iter is not None:
        limits = dataclasses.replace(limits, max_iter=np.int64(max_iter))
    correction = _correction(template, prior)
    found, places = [], []
    for size, which in groups.buckets(np.arange(len(x))):
        found.append(
            maximize_runs(
                template,
                groups.rows_of(which, size),
                size,
                x[which],
                limits,
                correction,
            )
        )
        places.append(which)
    return Ends.joined(found).take(np.argsort(np.concatenate(places)))


def _posterior(ends: Ends, moments: Moments, prior: Prior, settled: bool) -> Pooled:
    """Means with their covariances, which know that the prior's mean is estimated."""
    precision = np.linalg.inv(prior.covariance)
    drawn = moments.covariance @ precision
    covariance = moments.covariance + drawn @ prior.mean_covariance @ np.swapaxes(drawn, 1, 2)
    share = np.clip(np.trace(drawn, axis1=1, axis2=2) / len(precision), 0.0, 1.0)
    arrived = (ends.code == int(ResultCode.CONVERGED)) | (ends.code == int(ResultCode.ROUNDING))
    return Pooled(prior, moments.mean, covariance, share, arrived, settled)
