"""The coefficients of a mixture of Weibulls by component, and their order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from survjax.likelihood.regression.forms import Layout
from survjax.likelihood.vector.constraints import Constraints
from survjax.likelihood.vector.orders import MOST_ORDERED
from survjax.likelihood.vector.prior_terms import PriorTerms


class Parts:
    """The coefficients of a mixture of K Weibulls by component: weights, scales, shapes.

    Perhaps beside a share that never fails.

    Parameters
    ----------
    layout : Layout
        Its predictors are named as by `weibull_template`.
    n_components : int
        K.
    """

    def __init__(self, layout: Layout, n_components: int) -> None:
        ends = np.cumsum([len(item.columns) for item in layout])
        self.size = int(ends[-1])
        named = {
            item.name: (np.arange(end - len(item.columns), end), np.array(item.columns))
            for item, end in zip(layout, ends, strict=True)
        }

        def those(kind: str, begin: int) -> list[tuple[np.ndarray, np.ndarray]]:
            return [named[f"{kind}_{j}"] for j in range(begin, n_components + 1)]

        #: Positions and columns of each component's logit (from the second on), scale and shape.
        self.weights = those("logit_weight", 2)
        self.scales, self.shapes = those("log_scale", 1), those("log_shape", 1)
        #: Positions and columns of the logit of a share that never fails, if there is one.
        self.cured = named.get("logit_cured_share")
        #: Positions of the intercepts, which are a mixture without covariates.
        self.intercepts = ends - [len(item.columns) for item in layout]

    @property
    def are_alike(self) -> bool:
        """Whether the same columns move each component."""
        kinds = (self.weights, self.scales, self.shapes)
        return all(len({tuple(columns) for _, columns in kind}) < 2 for kind in kinds)

    def tells_apart(self, constraints: Constraints, prior: PriorTerms | None = None) -> bool:
        """Whether components are held, or known before, in different ways."""
        kinds = (self.scales, self.shapes)
        alike = all(len({at.size for at, _ in kind}) == 1 for kind in kinds)
        weights = any(constraints.known[at].any() for at, _ in self.weights)
        rows = [np.array([at for at, _ in kind]).T for kind in kinds if alike]
        if prior is not None:
            # Effects on weights are over the first component.
            logits = np.concatenate([np.empty(0, int), *(at for at, _ in self.weights)])
            weights = weights or bool(np.any(prior.has[logits] * (prior.counts[logits] == 0)))
            weights = weights or any(prior.tells_apart(each) for each in rows)
        return weights or not alike or any(constraints.tells_apart(each) for each in rows)

    def predictors(self, theta: np.ndarray, wide: np.ndarray) -> tuple[np.ndarray, ...]:
        """Log weights, log scales and log shapes (K, n) of rows with columns [1, z]."""
        found = []
        for part in (self.weights, self.scales, self.shapes):
            found.append([wide[:, columns] @ theta[at] for at, columns in part])
        logits = np.array([np.zeros(len(wide)), *found[0]])
        log_weights = logits - np.logaddexp.reduce(logits, axis=0)
        return log_weights, np.array(found[1]), np.array(found[2])


def spread_out(parts: Parts, plain: np.ndarray, slopes: np.ndarray | None = None) -> np.ndarray:
    """Coefficients from a mixture without covariates, with slopes (p,) given to every scale."""
    theta = np.zeros(parts.size)
    theta[parts.intercepts] = plain
    if slopes is not None:
        for at, columns in parts.scales:
            theta[at[1:]] = slopes[columns[1:] - 1]
    return theta


def relabeled(parts: Parts, theta: np.ndarray) -> np.ndarray:
    """The same mixture with its components in the order of their medians at the mean asset."""
    if not parts.are_alike:
        return theta
    scales, shapes = ([theta[at] for at, _ in kind] for kind in (parts.scales, parts.shapes))
    medians = [
        s[0] + np.log(np.log(2.0)) / np.exp(c[0]) for s, c in zip(scales, shapes, strict=True)
    ]
    return reordered(parts, theta, np.argsort(medians, kind="stable").tolist())


def reordered(parts: Parts, theta: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """The same mixture with its components in another order."""
    kinds = (parts.weights, parts.scales, parts.shapes)
    logits, scales, shapes = ([theta[at] for at, _ in kind] for kind in kinds)
    if logits:
        logits = [np.zeros_like(logits[0]), *logits]
        logits = [logits[j] - logits[order[0]] for j in order[1:]]
    moved = theta.copy()
    for kind, values in zip(
        kinds, (logits, [scales[j] for j in order], [shapes[j] for j in order]), strict=True
    ):
        for (at, _), value in zip(kind, values, strict=True):
            moved[at] = value
    return moved


def every_reordering(layout: Layout, n_components: int) -> list[np.ndarray]:
    """The matrices (P, P) of all orders of components that have the same columns."""
    parts, unit = Parts(layout, n_components), np.eye(sum(len(item.columns) for item in layout))
    orders = list(permutations(range(n_components)))
    if not parts.are_alike or n_components > MOST_ORDERED:
        orders = orders[:1]
    return [np.stack([reordered(parts, one, order) for one in unit], axis=1) for order in orders]
