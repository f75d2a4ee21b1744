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
from survjax.fitting.groups.rows import GroupedRows
from survjax.fitting.settings import Settings
from survjax.likelihood.vector.template import Template
from survjax.optimize import ResultCode

#: Turns of moments and prior, of the EM algorithm in each, and the change at which either ends.
TURNS, EM_STEPS, TOLERANCE = 50, 500, 1e-4
#: A posterior variance below this, in units of the curvature, is none that the nodes can tell.
LEAST = 0.05
#: Nodes along each direction, of up to two parameters and of more.
NODES, FEWER_NODES = 5, 3


@dataclasses.dataclass(frozen=True)
class Prior:
    """The normal distribution that the parameters of the groups are drawn from.

    Attributes
    ----------
    mean : array of shape (p,)
        On the unbounded scales.
    covariance : array of shape (p, p)
        Between groups.
    mean_covariance : array of shape (p, p)
        How well the mean is known.
    """

    mean: np.ndarray
    covariance: np.ndarray
    mean_covariance: np.ndarray


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
    """

    prior: Prior
    x: np.ndarray
    covariance: np.ndarray
    drawn: np.ndarray
    converged: np.ndarray


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
    for _ in range(TURNS):
        ends = _modes(template, groups, x, prior, settings)
        moments = _moments(template, groups, ends, prior, settings)
        x, before = ends.x, prior
        prior = _next_prior(prior, moments)
        if _change(before, prior) < TOLERANCE:
            break
    return _posterior(ends, moments, before)


@dataclasses.dataclass(frozen=True)
class _Moments:
    """Posterior means (g, p) and covariances (g, p, p)."""

    mean: np.ndarray
    covariance: np.ndarray


def _correction(template: Template, prior: Prior) -> Correction:
    """The log density of the prior, but for its constant."""
    precision = np.linalg.inv(prior.covariance)
    return dataclasses.replace(Correction.of(template), point=prior.mean, hessian=-precision)


def _moments(
    template: Template, groups: GroupedRows, ends: Ends, prior: Prior, settings: Settings
) -> _Moments:
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
    return _Moments(mean, root @ spread @ np.swapaxes(root, 1, 2))


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


def _em_step(prior: Prior, mean: np.ndarray, left: np.ndarray) -> Prior:
    """The prior that follows from posterior means (g, p) and covariances (g, p, p) under one."""
    precision = np.linalg.inv(prior.covariance)
    drawn = left @ precision
    share = np.eye(len(precision)) - drawn
    # cov(m)^{-1} = sum of (A + J_g^{-1})^{-1} = sum of A^{-1} (1 - B_g).
    mean_covariance = np.linalg.inv(precision @ share.sum(axis=0))
    moved = mean_covariance @ precision @ np.sum(mean - prior.mean, axis=0)
    gap = mean - prior.mean - share @ moved
    spread = left + gap[:, :, None] * gap[:, None]
    spread += share @ mean_covariance @ np.swapaxes(share, 1, 2)
    covariance = spread.mean(axis=0)
    return Prior(prior.mean + moved, 0.5 * (covariance + covariance.T), mean_covariance)


def _next_prior(prior: Prior, moments: _Moments) -> Prior:
    """The prior at which the EM algorithm would end, as far as normal likelihoods can tell.

    They lead to the groups' moments under the prior that is given. What they get wrong of one step
    from there is added to all, so that where nothing changes any more, nothing is wrong.
    """
    precision = np.linalg.inv(prior.covariance)
    root = np.linalg.cholesky(prior.covariance)
    # In units of the prior: skewed likelihoods may lead to a variance that is larger than its.
    unit = np.linalg.inv(root) @ moments.covariance @ np.linalg.inv(root).T
    values, vectors = np.linalg.eigh(unit)
    values = np.maximum(1.0 / values - 1.0, LEAST)
    unit = (vectors * values[:, None]) @ np.swapaxes(vectors, 1, 2)
    information = np.linalg.inv(root).T @ unit @ np.linalg.inv(root)
    weighted = ((information + precision) @ moments.mean[..., None])[..., 0]
    weighted = weighted - precision @ prior.mean

    def step(now: Prior) -> Prior:
        inverse = np.linalg.inv(now.covariance)
        left = np.linalg.inv(information + inverse)
        mean = (left @ (weighted + inverse @ now.mean)[..., None])[..., 0]
        return _em_step(now, mean, left)

    exact, rough = _em_step(prior, moments.mean, moments.covariance), step(prior)
    lacking = exact.mean - rough.mean, exact.covariance - rough.covariance
    now = exact
    for _ in range(EM_STEPS):
        found = step(now)
        covariance = found.covariance + lacking[1]
        if not np.linalg.eigvalsh(np.linalg.solve(root, covariance) @ np.linalg.inv(root).T)[0] > 0:
            return exact
        found = Prior(found.mean + lacking[0], covariance, found.mean_covariance)
        moved, now = _change(now, found), found
        if moved < 0.1 * TOLERANCE:
            break
    return now


def _change(before: Prior, after: Prior) -> float:
    """How far two priors are apart, in units of what bounds are made of where groups are alike.

    A covariance that vanishes along a direction never stands still relative to itself.
    """
    unit = before.covariance + before.mean_covariance
    gap = after.mean - before.mean
    moved = np.sqrt(gap @ np.linalg.solve(unit, gap))
    grown = np.abs(np.linalg.solve(unit, after.covariance - before.covariance)).max()
    return float(max(moved, grown))


def _posterior(ends: Ends, moments: _Moments, prior: Prior) -> Pooled:
    """Means with their covariances, which know that the prior's mean is estimated."""
    precision = np.linalg.inv(prior.covariance)
    drawn = moments.covariance @ precision
    covariance = moments.covariance + drawn @ prior.mean_covariance @ np.swapaxes(drawn, 1, 2)
    share = np.clip(np.trace(drawn, axis1=1, axis2=2) / len(precision), 0.0, 1.0)
    arrived = (ends.code == int(ResultCode.CONVERGED)) | (ends.code == int(ResultCode.ROUNDING))
    return Pooled(prior, moments.mean, covariance, share, arrived)
