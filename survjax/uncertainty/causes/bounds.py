"""Bounds of what several causes end, and the maxima of a likelihood that separates by cause."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from survjax._core.numerics import diagonal_blocks
from survjax.lifetimes import Competing
from survjax.prediction.curves import response_interval, response_value
from survjax.prediction.incidence import incidence
from survjax.uncertainty.modes import LIGHT, MOST, Maxima, over_all


def joined(
    parameters: Sequence[np.ndarray],
    covariances: Sequence[np.ndarray],
    maxima: Sequence[Maxima | None],
) -> Maxima | None:
    """All combinations of the parts' maxima that count, the answer first.

    Parameters
    ----------
    parameters, covariances : sequences of arrays of shape (p_k,), (p_k, p_k)
        The answer of each part.
    maxima : sequence of Maxima or None
        What counts beside it, if anything does.

    Returns
    -------
    Maxima or None
        None where no part has another maximum.
    """
    if all(part is None for part in maxima):
        return None
    each = [
        Maxima(x[None], c[None], np.ones(1)) if part is None else part
        for x, c, part in zip(parameters, covariances, maxima, strict=True)
    ]
    choices = list(product(*(range(part.weights.size) for part in each)))
    weights = np.array(
        [np.prod([p.weights[i] for p, i in zip(each, c, strict=True)]) for c in choices]
    )
    kept = np.argsort(-weights[1:], kind="stable")[: MOST - 1] + 1
    kept = np.concatenate([[0], kept[weights[kept] > LIGHT]])
    found = [choices[i] for i in kept]
    return Maxima(
        np.stack(
            [np.concatenate([p.parameters[i] for p, i in zip(each, c, strict=True)]) for c in found]
        ),
        np.stack(
            [
                diagonal_blocks([p.covariances[i] for p, i in zip(each, c, strict=True)])
                for c in found
            ]
        ),
        weights[kept] / weights[kept].sum(),
    )


def bounded_incidence(
    lifetime: Competing,
    covariance: np.ndarray,
    maxima: Maxima | None,
    cause: int,
    t: np.ndarray,
    ages: np.ndarray,
    level: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares (n,) that a cause has ended within times after ages, with bounds over all maxima.

    The delta method is applied on the log(-log(1 - F)) scale.
    """
    values, _, low, high = over_all(
        lambda at, c: incidence(at, c, cause, t, ages), lifetime, covariance, maxima, level
    )
    return (response_value("cdf", values), *response_interval("cdf", low, high))
