"""Orders of a mixture's components: which vector says the same with components changed around."""

from __future__ import annotations

from functools import cached_property
from itertools import permutations

import numpy as np

from survjax.likelihood.vector.constraints import Constraints
from survjax.likelihood.vector.positions import Positions
from survjax.likelihood.vector.prior_terms import PriorTerms

#: With more components than this, all their orders are too many to try.
MOST_ORDERED = 5


class Orders(Positions):
    """Orders of the components of a model template."""

    constraints: Constraints
    prior: PriorTerms | None

    def reordering(self, order: np.ndarray) -> np.ndarray:
        """The matrix (p, p) that takes a vector to the one with its components in another order.

        Among all logits, the first at zero, a new order is a permutation, and then a change of the
        one that is the reference. Components change places with others of their family only.
        """
        n, k = self.size, self.n_components
        logits = np.zeros((k, n))
        logits[np.arange(1, k), self.logits] = 1.0
        logits = logits[order]
        change = np.eye(n)
        change[self.logits] = logits[1:] - logits[0]
        begin = 0
        for stack in self.stacks:
            own = order[begin : begin + stack.n_components] - begin
            for row in stack.positions:
                change[row] = np.eye(n)[row[own]]
            begin += stack.n_components
        return change

    def median_order(self, x: np.ndarray) -> np.ndarray:
        """Components from the shortest median to the longest, within each family.

        Where some of their parameters are held in different ways, they stay where they are.
        """
        if self._is_ordered:
            return np.arange(self.n_components)
        medians, order, begin = self.log_quantiles(x)[:, 1], [], 0
        for stack in self.stacks:
            own = medians[begin : begin + stack.n_components]
            order.append(begin + np.argsort(own, kind="stable"))
            begin += stack.n_components
        return np.concatenate(order)

    def nearest_orders(
        self, points: np.ndarray, estimate: np.ndarray, information: np.ndarray
    ) -> list[np.ndarray]:
        """For each vector (B, p), the order of its components that is nearest to an estimate.

        Nearest in the metric of the information: components are told apart by whatever tells
        them apart in the data. Estimate (p,) and information (p, p) may also be one of each vector.
        With many components, the order of the medians stands in.
        """
        if self.n_components > MOST_ORDERED:
            return [self.median_order(x) for x in points]
        orders = [np.arange(self.n_components)] if self._is_ordered else self._orders()
        moves = np.stack([points @ self.reordering(order).T for order in orders]) - estimate
        distance = np.sum((moves[..., None, :] @ information)[..., 0, :] * moves, axis=-1)
        return [orders[i] for i in np.argmin(distance, axis=0)]

    def every_order(self, points: np.ndarray) -> np.ndarray:
        """Vectors (B, p) in each order of their components, where what is held tells them apart."""
        if not self._is_ordered or self.n_components > MOST_ORDERED:
            return points
        return np.concatenate([points @ self.reordering(order).T for order in self._orders()])

    def every_reordering(self) -> list[np.ndarray]:
        """The matrices (p, p) of all orders of the components, the present one first."""
        if self.n_components > MOST_ORDERED:
            return [np.eye(self.size)]
        return [self.reordering(order) for order in self._orders()]

    def _orders(self) -> list[np.ndarray]:
        """All orders that move components within their own family only."""
        family = np.repeat(np.arange(len(self.stacks)), [s.n_components for s in self.stacks])
        orders = [np.array(order) for order in permutations(range(self.n_components))]
        return [order for order in orders if np.all(family[order] == family)]

    @cached_property
    def _is_ordered(self) -> bool:
        """Whether what is held, or known before, tells components of one family apart."""
        known: list[Constraints | PriorTerms] = [self.constraints]
        if self.prior is not None:
            known.append(self.prior)
        return any(part.tells_apart(stack.positions) for part in known for stack in self.stacks)

    def aligned(
        self, points: np.ndarray, estimate: np.ndarray, information: np.ndarray
    ) -> np.ndarray:
        """Vectors (B, p) with their components in the order that is nearest to an estimate."""
        if self.n_components == 1 or not len(points):
            return points
        orders = np.stack(self.nearest_orders(points, estimate, information))
        kinds, which = np.unique(orders, axis=0, return_inverse=True)
        changes = np.stack([self.reordering(order) for order in kinds])
        return np.einsum("bij,bj->bi", changes[which.ravel()], points)
