"""A Weibull mixture's vector in natural terms, and in another order of its components."""

from __future__ import annotations

from itertools import permutations

import numpy as np

#: With more components than this, all orders are too many to try.
MOST_ORDERED = 5


def natural_parameters(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, scales and shapes from the unconstrained vector (..., 3K - 1)."""
    k = (x.shape[-1] + 1) // 3
    logits = np.concatenate([np.zeros((*x.shape[:-1], 1)), x[..., : k - 1]], axis=-1)
    weights = np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
    with np.errstate(over="ignore"):  # a climb that ran away is told by its faults
        return weights, np.exp(x[..., k - 1 : 2 * k - 1]), np.exp(x[..., 2 * k - 1 :])


def median_order(x: np.ndarray) -> np.ndarray:
    """The components of x from the shortest median to the longest."""
    _, scales, shapes = natural_parameters(x)
    return np.argsort(np.log(scales) + np.log(np.log(2.0)) / shapes, kind="stable")


def reordering(order: np.ndarray) -> np.ndarray:
    """The matrix (p, p) that takes a vector to the one with its components in another order.

    Among all logits, the first at zero, a new order is a permutation, and then a change of the
    one that is the reference.
    """
    k = order.size
    full = np.zeros((3 * k, 3 * k - 1))
    full[np.arange(1, 3 * k), np.arange(3 * k - 1)] = 1.0
    permuted = full[np.concatenate([order, k + order, 2 * k + order])]
    permuted[1:k] -= permuted[0]
    return permuted[1:]


def nearest_orders(
    points: np.ndarray, estimate: np.ndarray, information: np.ndarray
) -> list[np.ndarray]:
    """For each vector (B, p), the order of its components that brings it nearest to an estimate.

    Nearest in the metric of the information: components are told apart by whatever tells them
    apart in the data, be it their life, their shape or their share. With many components, the
    order of the medians stands in.
    """
    k = (estimate.size + 1) // 3
    if k > MOST_ORDERED:
        return [median_order(x) for x in points]
    orders = [np.array(order) for order in permutations(range(k))]
    moves = np.stack([points @ reordering(order).T for order in orders]) - estimate
    distance = np.einsum("obp,pq,obq->ob", moves, information, moves)
    return [orders[i] for i in np.argmin(distance, axis=0)]


def aligned(points: np.ndarray, estimate: np.ndarray, information: np.ndarray) -> np.ndarray:
    """Vectors (B, p) with their components in the order that is nearest to an estimate."""
    if estimate.size == 2 or not len(points):
        return points
    orders = nearest_orders(points, estimate, information)
    return np.stack([reordering(order) @ x for order, x in zip(orders, points, strict=True)])
