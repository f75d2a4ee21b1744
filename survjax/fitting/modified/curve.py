"""A few points of the curve of failed shares, where fits of modified lifetimes begin."""

from __future__ import annotations

import numpy as np

from survjax._core.pytree import parameter_items
from survjax.data.observations import Observations
from survjax.data.recording import failed_at_zero
from survjax.fitting.starts import failed_share, representative
from survjax.likelihood.vector.template import Template

#: Between the first failure and the last one, shares of all failures at which the curve is read.
INSIDE = (0.1, 0.3, 0.5, 0.7, 0.9)


def without_zeros(rows: Observations) -> Observations:
    """The rows of units that did not fail at time zero."""
    zero = failed_at_zero(rows)
    return rows.take(np.flatnonzero(~zero)) if zero.any() else rows


def curve(rows: Observations) -> tuple[np.ndarray, np.ndarray]:
    """Shares of units that have failed by some times, and the times.

    The first failure, five between, and the last one; before these time zero, if units failed
    there. Late entry is left aside: this is where a fit begins.
    """
    zero = failed_at_zero(rows)
    at_zero = float(rows.weight[zero].sum() / rows.n_units)
    later = rows.take(np.flatnonzero(~zero))
    log_time, event = representative(later)
    share = failed_share(log_time, event, later.weight)
    failed = np.flatnonzero(event > 0)
    failed = failed[np.argsort(log_time[failed], kind="stable")]
    begun = np.cumsum(later.weight[failed])
    places = np.searchsorted(begun, np.array(INSIDE) * begun[-1])
    chosen = failed[np.concatenate([[0], np.minimum(places, failed.size - 1), [failed.size - 1]])]
    # A share of one is no quantile.
    shares = np.minimum(share[chosen], 1.0 - 0.5 / later.n_units)
    times = np.exp(log_time[chosen])
    if at_zero > 0:
        shares = np.append(at_zero, at_zero + (1.0 - at_zero) * shares)
        times = np.append(0.0, times)
    return _rising(shares), times


def _rising(shares: np.ndarray) -> np.ndarray:
    """Shares that rise, if only by next to nothing."""
    return shares * (1.0 + 1e-9 * np.arange(shares.size) / shares.size)


def starts_on_curve(template: Template, rows: Observations) -> np.ndarray:
    """Points (m, p) at which a modified lifetime is near the curve of the rows."""
    found = template.lifetime.starts(*curve(rows))
    return np.stack(
        [np.concatenate([np.ravel(part) for _, part in parameter_items(one)]) for one in found]
    )
