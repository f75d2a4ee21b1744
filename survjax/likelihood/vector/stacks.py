"""Stacks of components of one family, the quantities people read, and quantiles of components."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from survjax._core.pytree import parameter_items, parameter_shapes, rebuilt
from survjax.lifetimes import Lifetime

#: Shares failed at which a component is compared with others: its median and its spread.
SHARES = np.array([0.1587, 0.5, 0.8413])
#: log q84 - log q16 of a Weibull of shape one.
WEIBULL_SPREAD = float(np.ptp(np.log(-np.log1p(-SHARES[[0, 2]]))))


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A number that people read: a weight, or a parameter on its response scale.

    Attributes
    ----------
    name : str
        Such as `weight_1`, `scale_2`, `shape`.
    group : str
        Its name without the component.
    link : {"logit", "log", "identity"}
        Which scale it is unbounded on.
    """

    name: str
    group: str
    link: str


@dataclasses.dataclass(frozen=True)
class Stack:
    """Components of one family: where their parameters stand, (P, K), and their names."""

    lifetime: Lifetime
    names: tuple[str, ...]
    positions: np.ndarray
    #: Whether this is no stack, but a lifetime that is no mixture.
    is_alone: bool = False

    @property
    def n_components(self) -> int:
        """K."""
        return int(self.positions.shape[1])


def single(stack: Stack, values: np.ndarray) -> Any:
    """One component of a stack, or the lifetime that is no mixture, with parameters (P,)."""
    pieces, start = [], 0
    for _, shape in parameter_shapes(stack.lifetime):
        own = shape if stack.is_alone else shape[1:]
        size = int(np.prod(own))
        pieces.append(np.reshape(values[start : start + size], own))
        start += size
    if stack.is_alone:
        return rebuilt(stack.lifetime, pieces)
    # What is given, such as cuts, components share.
    first = jax.tree.map(lambda leaf: np.asarray(leaf)[0], stack.lifetime)
    return rebuilt(first, pieces)


def log_quantiles(stack: Stack, values: np.ndarray) -> np.ndarray:
    """Logs of one component's quantiles at `SHARES`, (3,)."""
    found: np.ndarray = single(stack, values).rough_log_quantiles(SHARES)
    return found


def matched(stack: Stack, scale: float, shape: float) -> np.ndarray:
    """Parameters (m, P) that a component with the quantiles of a Weibull may begin at."""
    times = scale * (-np.log1p(-SHARES)) ** (1.0 / shape)
    found = _guess(stack).starts(SHARES, times)
    return np.stack(
        [np.concatenate([np.ravel(v) for _, v in parameter_items(one)]) for one in found]
    )


def matched_each(stack: Stack, scales: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Parameters (n, m, P) of `matched` for each of n Weibulls."""
    if not _guess(stack).many_with_quantiles:
        return np.stack([matched(stack, *pair) for pair in zip(scales, shapes, strict=True)])
    times = scales * (-np.log1p(-SHARES))[:, None] ** (1.0 / shapes)
    found = _guess(stack).with_quantiles(SHARES, times)
    return np.stack([np.broadcast_to(v, scales.shape) for _, v in parameter_items(found)], -1)[
        :, None
    ]


def _guess(stack: Stack) -> Any:
    """A component with the parameters that the template has."""
    first = [
        np.ravel(value if stack.is_alone else np.asarray(value)[0])
        for _, value in parameter_items(stack.lifetime)
    ]
    return single(stack, np.concatenate(first))


def logit_derivatives(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of each weight's logit in the logits (K - 1,) over the first weight's.

    The logit of weight i is l_i - log sum exp(l_j) over the others, whose shares q have the
    derivatives of a softmax: -q, and q q' - diag(q). Returns (K, K - 1), (K, K - 1, K - 1).
    """
    whole = np.concatenate([np.zeros(1), logits])
    each = np.eye(whole.size)
    first, second = [], []
    for own in each:
        others = np.where(own > 0, -np.inf, whole)
        # A single weight has no others.
        share = np.exp(others - np.logaddexp.reduce(others))[1:] if logits.size else logits
        first.append(own[1:] - share)
        second.append(np.outer(share, share) - np.diag(share))
    return np.array(first), np.array(second)
