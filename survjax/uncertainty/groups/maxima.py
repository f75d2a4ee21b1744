"""All maxima that count, of many groups at once: `survjax.uncertainty.modes` as arrays."""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.fitting.groups.mixtures.ranked import Ranked
from survjax.likelihood.vector.template import Template
from survjax.likelihood.weibulls import weibull_parts
from survjax.uncertainty.delta import normal_quantile
from survjax.uncertainty.modes import LIGHT, MOST, NEAR, averaged


@dataclasses.dataclass(frozen=True)
class ManyMaxima:
    """The maxima of m groups that count, one group after the other, the answer of each first.

    Attributes
    ----------
    begins : array of shape (m + 1,)
        Where those of each group begin.
    parameters, covariances : arrays of shape (M, p) and (M, p, p)
        Components in the order of the answer's medians, or nearest to it.
    weights : array of shape (M,)
        Shares of the evidence; those of a group sum to one.
    """

    begins: np.ndarray
    parameters: np.ndarray
    covariances: np.ndarray
    weights: np.ndarray

    @classmethod
    def of_one_each(cls, x: np.ndarray, covariance: np.ndarray) -> ManyMaxima:
        """Of groups that have one maximum each."""
        return cls(np.arange(len(x) + 1), x, covariance, np.ones(len(x)))

    def bounds(
        self,
        group: np.ndarray,
        which: np.ndarray,
        values: np.ndarray,
        errors: np.ndarray,
        level: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds (c, n) of quantities of n units, over all maxima of the group (n,) of each.

        `which` (N,) says of which unit each of the values and errors (c, N) is, those of a unit
        one after the other, in the order of the maxima of its group.
        """
        half = normal_quantile(level) * errors
        first = np.searchsorted(which, np.arange(group.size))
        low, high = (values - half)[:, first], (values + half)[:, first]
        count = np.diff(self.begins)[group]
        for m in np.unique(count[count > 1]):
            some = np.flatnonzero(count == m)
            at = first[some] + np.arange(m)[:, None]
            weights = self.weights[self.begins[group[some]] + np.arange(m)[:, None]]
            centers, spreads = (np.moveaxis(part[:, at], 1, 0) for part in (values, errors))
            low[:, some], high[:, some] = averaged(centers, spreads, weights[:, None], level)
        return low, high

    def each_of(self, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All maxima of the groups (n,) of n units: whose unit each is, and which maximum."""
        count = np.diff(self.begins)[group]
        unit = np.repeat(np.arange(group.size), count)
        ends = np.cumsum(count)
        place = np.arange(unit.size) - np.repeat(ends - count, count)
        return unit, self.begins[group][unit] + place


def maxima_of(template: Template, found: Ranked) -> ManyMaxima:
    """Weigh the maxima of each group, as `weigh` does those of one."""
    group = np.repeat(np.arange(found.which.size), np.diff(found.begins))
    is_best = np.zeros(group.size, bool)
    is_best[found.best] = True
    value = found.ends.value
    near = found.good & (value[found.best][group] - value < NEAR) | is_best
    group, is_best, ends = group[near], is_best[near], found.ends.take(near)
    _, log_scales, log_shapes = weibull_parts(ends.x)
    medians = log_scales + np.log(np.log(2.0)) / np.exp(log_shapes)
    by_median = np.argsort(medians, axis=1, kind="stable")
    x, hessian = _in_order(template, ends.x, ends.hessian, by_median)
    best = np.flatnonzero(is_best)[group]
    orders = template.nearest_orders(x, x[best], -hessian[best])
    x, hessian = _in_order(template, x, hessian, np.stack(orders))
    evidence = ends.value - 0.5 * np.linalg.slogdet(-hessian)[1]
    begins = np.searchsorted(group, np.arange(found.which.size + 1))
    evidence = np.exp(evidence - np.maximum.reduceat(evidence, begins[:-1])[group])
    weights = evidence / np.add.reduceat(evidence, begins[:-1])[group]
    order = np.lexsort((-weights, ~is_best, group))
    rank = np.arange(order.size) - begins[group[order]]
    order = order[(rank == 0) | ((weights[order] > LIGHT) & (rank < MOST))]
    begins = np.searchsorted(group[order], np.arange(found.which.size + 1))
    kept = weights[order]
    kept = kept / np.add.reduceat(kept, begins[:-1])[group[order]]
    covariance = np.linalg.inv(-hessian[order])
    return ManyMaxima(begins, x[order], covariance, kept)


def _in_order(
    template: Template, x: np.ndarray, hessian: np.ndarray, orders: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points (M, p) and Hessians (M, p, p) with components in other orders (M, K)."""
    kinds, which = np.unique(orders, axis=0, return_inverse=True)
    x, hessian = x.copy(), hessian.copy()
    for i, order in enumerate(kinds):
        if (order[1:] > order[:-1]).all():
            continue
        some = np.flatnonzero(which.ravel() == i)
        change = template.reordering(order)
        back = np.linalg.inv(change)
        x[some], hessian[some] = x[some] @ change.T, back.T @ hessian[some] @ back
    return x, hessian


def link_values_each(template: Template, x: np.ndarray) -> np.ndarray:
    """`Template.link` at each of many points (M, p): (M, m)."""
    rest = np.delete(x, template.logits, axis=1)
    if not template.is_mixture:
        return rest
    return np.concatenate([_logits(template.log_weights(x)), rest], axis=1)


def link_errors_each(
    template: Template, x: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`survjax.uncertainty.delta.link_errors` at each of many points (M, p): (M, m) each."""
    rest = np.delete(np.arange(x.shape[1]), template.logits)
    variance = np.diagonal(covariance, axis1=1, axis2=2)[:, rest]
    if template.is_mixture:
        log_weights = template.log_weights(x)
        # Along the logit of another weight l, that of weight j falls by w_l / (1 - w_j).
        others = log_weights - _logits(log_weights)
        slope = -np.exp(log_weights[:, None, 1:] - others[:, :, None])
        each = np.arange(1, log_weights.shape[1])
        slope[:, each, each - 1] = 1.0
        among = covariance[:, template.logits[:, None], template.logits]
        of_weights = np.einsum("mjl,mlk,mjk->mj", slope, among, slope)
        variance = np.concatenate([of_weights, variance], axis=1)
    return link_values_each(template, x), np.sqrt(np.maximum(variance, 0.0))


def _logits(log_weights: np.ndarray) -> np.ndarray:
    """Logits (M, K) of weights; zero of the one weight of a single component."""
    k = log_weights.shape[1]
    if k == 1:
        return np.zeros_like(log_weights)
    rest = [np.logaddexp.reduce(np.delete(log_weights, j, 1), axis=1) for j in range(k)]
    return log_weights - np.stack(rest, axis=1)
