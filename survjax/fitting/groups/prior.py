"""The normal distribution of the parameters of groups: what their posterior moments say of it."""

from __future__ import annotations

import dataclasses

import numpy as np

#: Steps of the EM algorithm at most, and the change at which it ends.
EM_STEPS, EM_TOLERANCE = 500, 1e-5
#: A variance below this, in units of what it should be near to, is none that can be trusted.
LEAST = 0.05


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
class Moments:
    """Posterior means (g, p) and covariances (g, p, p)."""

    mean: np.ndarray
    covariance: np.ndarray


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


def next_prior(prior: Prior, moments: Moments) -> Prior:
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
        moved, now = change_between(now, found), found
        if moved < EM_TOLERANCE:
            break
    return now


def change_between(before: Prior, after: Prior) -> float:
    """How far two priors are apart, in units of what bounds are made of where groups are alike.

    A covariance that vanishes along a direction never stands still relative to itself.
    """
    unit = before.covariance + before.mean_covariance
    gap = after.mean - before.mean
    moved = np.sqrt(gap @ np.linalg.solve(unit, gap))
    grown = np.abs(np.linalg.solve(unit, after.covariance - before.covariance)).max()
    return float(max(moved, grown))


def extrapolated(tried: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Where a map stands still, from points and where it took each (Anderson 1965).

    The combination of the points, latest last, whose moves cancel best, and that of where they
    went. So turns that go to and fro around the answer meet it.
    """
    points, images = (np.array(part) for part in zip(*tried, strict=True))
    moves = images - points
    if len(tried) == 1:
        return np.asarray(images[-1])
    weights = np.linalg.lstsq(np.diff(moves, axis=0).T, moves[-1], rcond=1e-6)[0]
    return np.asarray(images[-1] - weights @ np.diff(images, axis=0))


class Coordinates:
    """Priors as vectors, in units of a first one: free of units of time."""

    def __init__(self, first: Prior) -> None:
        self.mean = first.mean
        self.root = np.linalg.cholesky(first.covariance)
        self.inverse = np.linalg.inv(self.root)

    def of(self, prior: Prior) -> np.ndarray:
        """A prior's mean and covariance, end to end."""
        square = self.inverse @ prior.covariance @ self.inverse.T
        return np.concatenate([self.inverse @ (prior.mean - self.mean), square.ravel()])

    def prior(self, vector: np.ndarray, other: Prior) -> Prior:
        """The prior of a vector; another where its covariance is none, or nearly."""
        p = self.mean.size
        square = vector[p:].reshape(p, p)
        unit = self.inverse @ other.covariance @ self.inverse.T
        # Not less than a small part of what it would be without extrapolation.
        if np.linalg.eigvals(np.linalg.solve(unit, square)).real.min() < LEAST:
            return other
        covariance = self.root @ (0.5 * (square + square.T)) @ self.root.T
        return Prior(self.mean + self.root @ vector[:p], covariance, other.mean_covariance)
