"""A few points of the curve of failed shares, where fits of modified lifetimes begin."""

from __future__ import annotations

import numpy as np

from survjax._core.pytree import parameter_items, parameter_names
from survjax.data.observations import Observations
from survjax.data.recording import failed_at_zero
from survjax.fitting.guesses.responsibilities import failed_share
from survjax.fitting.starts import representative
from survjax.lifetimes import Lifetime
from survjax.likelihood.vector.template import Template

#: Between the first failure and the last one, shares of all failures at which the curve is read.
INSIDE = (0.1, 0.3, 0.5, 0.7, 0.9)
#: The largest logit of a share where a fit begins.
MOST_LOGIT = 3.0
#: Others that are tried where no maximum is reached from there.
OTHER_LOGITS = (-1.0, 1.0)


def without_zeros(rows: Observations) -> Observations:
    """The rows of units that did not fail at time zero."""
    zero = failed_at_zero(rows)
    return rows.take(np.flatnonzero(~zero)) if zero.any() else rows


def curve(rows: Observations) -> tuple[np.ndarray, np.ndarray]:
    """Shares of units that have failed by some times, and the times.

    The first failure, five between, and the last one, as far as their times differ; before these
    time zero, if units failed there. Late entry is left aside: this is where a fit begins. Where no
    unit failed later, the running ones stand for failures: whether anything is open then, the
    search sees.
    """
    zero = failed_at_zero(rows)
    at_zero = min(float(rows.weight[zero].sum() / rows.n_units), 1.0 - 0.5 / rows.n_units)
    later = rows if zero.all() else without_zeros(rows)
    nothing = np.zeros(later.n_rows)
    log_time, event = (nothing, nothing) if zero.all() else representative(later)
    event = event if event.any() else nothing + 1.0
    share = failed_share(log_time, event, later.weight)
    failed = np.flatnonzero(event > 0)
    failed = failed[np.argsort(log_time[failed], kind="stable")]
    begun = np.cumsum(later.weight[failed])
    places = np.searchsorted(begun, np.array(INSIDE) * begun[-1])
    chosen = failed[np.concatenate([[0], np.minimum(places, failed.size - 1), [failed.size - 1]])]
    # Of points at one time the last says what has failed by then; a family takes two points.
    last = np.append(np.diff(log_time[chosen]) > 0, True)
    last[0] |= last.sum() < 2
    chosen = chosen[last]
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


def off_the_edge(lifetime: Lifetime, x: np.ndarray) -> np.ndarray:
    """Points (m, p) to begin at, of a lifetime whose shares may have run to none: they can move.

    First the parameters (p,) themselves, with shares that are no further out than a twentieth; then
    with others in their place, if there are any.
    """
    last = [name.rpartition(".")[2] for name in parameter_names(lifetime)]
    shares = np.array([name.startswith("logit_") for name in last], bool)
    found = [np.where(shares, np.clip(x, -MOST_LOGIT, MOST_LOGIT), x)]
    if shares.any():
        found += [np.where(shares, logit, x) for logit in OTHER_LOGITS]
    return np.stack(found)


def starts_on_curve(template: Template, rows: Observations) -> np.ndarray:
    """Points (m, p) at which a modified lifetime is near the curve of the rows."""
    found = template.lifetime.starts(*curve(rows))
    return np.stack(
        [np.concatenate([np.ravel(part) for _, part in parameter_items(one)]) for one in found]
    )
