"""A lifetime as a template: how a vector of parameters becomes one, and what people read of it."""

from __future__ import annotations

from functools import cached_property
from itertools import permutations

import numpy as np

from survjax._core.pytree import parameter_shapes
from survjax.likelihood.positions import Positions, short
from survjax.likelihood.stacks import Quantity, Stack

#: With more components than this, all their orders are too many to try.
MOST_ORDERED = 5


class Template(Positions):
    """What is known of a model before, and whatever, its parameters are.

    Parameters
    ----------
    lifetime : Lifetime
        Any: its parameters are only used as first guesses where a family has no other.
    """

    @cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """What a summary lists, in the order of `link_values`: weights, then parameters."""
        found = [Quantity(f"weight_{j + 1}", "weight", "logit") for j in range(self._n_weights)]
        named: dict[int, Quantity] = {}
        begin = 0
        for stack in self.stacks:
            for name, row in zip(self._row_names(stack), stack.positions, strict=True):
                group, link = _group(name)
                for j, position in enumerate(row):
                    full = f"{group}_{begin + j + 1}" if self.is_mixture else group
                    named[int(position)] = Quantity(full, group, link)
            begin += stack.n_components
        for name, at in self.modifying.items():
            named[int(at)] = Quantity(_group(short(name))[0], *_group(short(name)))
        return (*found, *(named[position] for position in sorted(named)))

    @property
    def _n_weights(self) -> int:
        return self.n_components if self.is_mixture else 0

    def _row_names(self, stack: Stack) -> list[str]:
        """Names of the rows of a stack's positions; entries of an array are counted."""
        if not stack.is_alone:
            return list(stack.names)
        found = []
        for name, shape in parameter_shapes(stack.lifetime):
            size, own_name = int(np.prod(shape)), short(name)
            found += [own_name] if shape == () else [f"{own_name}_{i + 1}" for i in range(size)]
        return found

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the entries of the vector, such as `logit_weight_2`, `log_scale_1`."""
        found = [f"logit_weight_{j + 2}" for j in range(self.logits.size)]
        prefix = {"log": "log_", "logit": "logit_", "identity": ""}
        rest = self.quantities[self._n_weights :]
        return (*found, *(prefix[q.link] + q.name for q in rest))

    def group(self, name: str) -> np.ndarray | None:
        """Which quantities a name such as `weights`, `scale` or `shape_2` stands for."""
        found = [
            i for i, q in enumerate(self.quantities) if name in (q.name, q.group, f"{q.group}s")
        ]
        return np.array(found) if found else None

    @property
    def groups(self) -> tuple[str, ...]:
        """Names that `group` knows, one of each kind of quantity."""
        many = "s" if self.is_mixture else ""
        return tuple(dict.fromkeys(q.group + many for q in self.quantities))

    def link(self, x: np.ndarray) -> np.ndarray:
        """Values of the quantities at x (p,) on their link scales, (m,)."""
        rest = np.delete(x, self.logits)
        if not self.is_mixture:
            return rest
        log_weights = self.log_weights(x)
        k = log_weights.size
        if k == 1:
            return np.concatenate([[0.0], rest])
        others = [np.logaddexp.reduce(np.delete(log_weights, j)) for j in range(k)]
        return np.concatenate([log_weights - others, rest])

    def link_derivatives(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`link` at x (p,) with its first (m, p) and second (m, p, p) derivatives.

        The logit of weight i is l_i - log sum exp(l_j) over the others, whose shares q have the
        derivatives of a softmax: -q, and q q' - diag(q). All else is linear.
        """
        m, p, k = len(self.quantities), x.size, self._n_weights
        first, second = np.zeros((m, p)), np.zeros((m, p, p))
        rest = np.delete(np.arange(p), self.logits)
        first[np.arange(k, m), rest] = 1.0
        logits = np.concatenate([np.zeros(min(k, 1)), x[self.logits]])
        for i in range(k if k > 1 else 0):
            others = np.where(np.arange(k) == i, -np.inf, logits)
            share = np.exp(others - np.logaddexp.reduce(others))[1:]
            first[i, self.logits] = (np.arange(1, k) == i) - share
            curvature = np.outer(share, share) - np.diag(share)
            second[i][np.ix_(self.logits, self.logits)] = curvature
        return self.link(x), first, second

    def response(self, values: np.ndarray) -> np.ndarray:
        """Quantities (..., m) from their values on the link scale."""
        links = np.array([q.link for q in self.quantities])
        with np.errstate(over="ignore", under="ignore"):
            found = np.where(links == "log", np.exp(values), values)
            found = np.where(links == "logit", 1.0 / (1.0 + np.exp(-values)), found)
        if self._n_weights == 1:
            found[..., 0] = 1.0
        return found

    def values(self, x: np.ndarray) -> np.ndarray:
        """The quantities (m,) at x (p,), as people read them."""
        found = self.response(self.link(x))
        if self.is_mixture:
            # Straight from the logits: the way over odds would change the last digit.
            found[: self._n_weights] = np.exp(self.log_weights(x))
        return found

    def response_slope(self, values: np.ndarray) -> np.ndarray:
        """Derivatives (m,) of `response`."""
        found = self.response(values)
        links = np.array([q.link for q in self.quantities])
        slope = np.where(links == "log", found, 1.0)
        return np.where(links == "logit", found * (1.0 - found), slope)

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
        """Components from the shortest median to the longest, within each family."""
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
        them apart in the data. With many components, the order of the medians stands in.
        """
        if self.n_components > MOST_ORDERED:
            return [self.median_order(x) for x in points]
        orders = [np.array(order) for order in permutations(range(self.n_components))]
        orders = [order for order in orders if self._stays_in_family(order)]
        moves = np.stack([points @ self.reordering(order).T for order in orders]) - estimate
        distance = np.einsum("obp,pq,obq->ob", moves, information, moves)
        return [orders[i] for i in np.argmin(distance, axis=0)]

    def _stays_in_family(self, order: np.ndarray) -> bool:
        """Whether an order moves components within their own family only."""
        family = np.repeat(np.arange(len(self.stacks)), [s.n_components for s in self.stacks])
        return bool(np.all(family[order] == family))

    def aligned(
        self, points: np.ndarray, estimate: np.ndarray, information: np.ndarray
    ) -> np.ndarray:
        """Vectors (B, p) with their components in the order that is nearest to an estimate."""
        if self.n_components == 1 or not len(points):
            return points
        orders = self.nearest_orders(points, estimate, information)
        pairs = zip(orders, points, strict=True)
        return np.stack([self.reordering(order) @ x for order, x in pairs])


def _group(name: str) -> tuple[str, str]:
    """A parameter's name on the response scale, and its link."""
    for link in ("log", "logit"):
        if name.startswith(f"{link}_"):
            return name[len(link) + 1 :], link
    return name, "identity"
