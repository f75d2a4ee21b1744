"""Where the fits of many groups begin."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.starts import SD_OF_LOG, powers_of, representative, weibull_fit
from survjax.likelihood.vector.stacks import matched_each
from survjax.likelihood.vector.template import Template

#: Newton steps from the moments of log time to the Weibull of largest likelihood.
N_STEPS = 5


def weibull_starts(rows: Observations) -> np.ndarray:
    """Log scales and log shapes (m, 2) of Weibulls on rows (m, n), to single precision.

    Truncation, rows of negative weight, is left aside.
    """
    log_time, event = representative(rows)
    weight = np.maximum(rows.weight, 0.0)
    center = np.sum(weight * log_time, axis=1) / weight.sum(axis=1)
    # Sums of this precision are as good as a start can use, and take half the time.
    gap = (log_time - center[:, None]).astype(np.float32)
    weight, event = weight.astype(np.float32), event.astype(np.float32)
    powers = powers_of(gap)
    weights = (weight * (np.float32(0.05) + event))[:, None]
    share, once, twice = np.moveaxis(weights @ powers, -1, 0)
    spread = np.maximum(twice / share - (once / share) ** 2, 1e-18)
    shape = np.clip(np.float32(SD_OF_LOG) / np.sqrt(spread), np.float32(0.02), np.float32(50.0))
    shape, log_scale = weibull_fit(weight[:, None], event, powers, shape, N_STEPS)
    return np.stack([log_scale[:, 0] + center, np.log(shape[:, 0].astype(float))], axis=1)


def starts_of_groups(template: Template, batches: Iterator[Observations]) -> np.ndarray:
    """Starts (m, s, p) of a lifetime of one component for rows (m, n) of each group, in batches."""
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        found = np.concatenate([weibull_starts(rows) for rows in batches])
    # Where all failures share one time there is no spread to read a shape off.
    found = np.where(np.isfinite(found), found, 0.0)
    stack = template.stacks[0]
    members = matched_each(stack, np.exp(found[:, 0]), np.exp(found[:, 1]))
    x = np.zeros((*members.shape[:2], template.size))
    x[..., stack.positions[:, 0]] = members
    return template.constraints.placed(x)
