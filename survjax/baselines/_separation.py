"""Separation: when the likelihood of a logistic model has no finite maximum."""

from __future__ import annotations

from typing import Any

import numpy as np

from survjax.baselines._predictor import binary, contrasts, solve
from survjax.baselines._rows import Rows

#: A log-odds beyond this is the symptom upon which separation is looked for.
SUSPICIOUS = 8.0

MESSAGE = (
    "the columns separate the classes (perfectly, or but for ties): the likelihood has no finite "
    "maximum, and the coefficients are only as large as the solver let them grow; pass ridge > 0, "
    "or drop the column that gives the class away"
)


def is_separated(loss: Any, theta: np.ndarray, rows: Rows) -> bool:
    """Tell whether the maximum likelihood estimate does not exist (Albert and Anderson 1984).

    `theta` (k, p) is where the solver ended. As a ridge vanishes, the estimate runs to infinity
    if and only if the classes are separated, and in a direction that never lowers the odds of
    any row's own class.
    """
    theta = np.pad(theta, [(0, 0), (0, rows.x.shape[1] - theta.shape[1])])
    if margins(loss, theta, rows)[1] <= SUSPICIOUS:
        return False
    ends = []
    for ridge in (1e-8, 1e-11):
        penalty = np.full(theta.shape[1], ridge)
        found = solve(loss, "newton", np.zeros_like(theta), rows, penalty, 1000, 1e-12, None)
        ends.append(np.asarray(found.parameters))
    low, high = margins(loss, ends[1] - ends[0], rows)
    return high > 1.0 and low > -1e-3 * high


def margins(loss: Any, theta: np.ndarray, rows: Rows) -> tuple[float, float]:
    """Lowest and highest lead of a row's own class over the others, over rows that count."""
    eta = np.moveaxis(theta @ np.asarray(rows.x), 1, 0).reshape(len(theta), -1)
    y = np.asarray(rows.y).ravel()
    if loss is binary:
        lead = np.where(y > 0.5, eta[0], -eta[0])
    else:
        logits = contrasts(len(eta) + 1) @ eta
        own = np.take_along_axis(logits, y.astype(int)[None], axis=0)
        others = np.where(np.arange(len(logits))[:, None] == y, np.inf, own - logits)
        lead = others.min(axis=0)
    lead = lead[np.asarray(rows.weight).ravel() > 0]
    return float(lead.min()), float(lead.max())
