"""Goodness of fit with fitted parameters, by the parametric bootstrap."""

from __future__ import annotations

from functools import partial

import jax
import numpy as np

from survjax._core.numerics import bucket_size
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.data.observations import Observations
from survjax.fitting.local_maxima import LocalMaximum
from survjax.lifetimes import Lifetime
from survjax.likelihood.row_derivatives import log_contributions
from survjax.prediction.residuals import passed, still_running
from survjax.uncertainty.parametric.empirical import STATISTICS, distances_of
from survjax.uncertainty.parametric.replicates import Progress, Truth
from survjax.uncertainty.replicates import BATCH, whole_units


@program
def _terms(lifetime: Lifetime, points: jax.Array, rows: Observations) -> jax.Array:
    """Log-likelihoods (B, n) of replicates of rows, each at its own parameters (B, p)."""
    _, unravel = ravel_parameters(lifetime)
    axes = jax.tree.map(lambda column: 0 if column.ndim > 1 else None, rows)
    one = jax.vmap(lambda x, part: log_contributions(unravel(x), part), in_axes=(0, axes))
    return one(points, rows)


def _passed(
    lifetime: Lifetime, points: np.ndarray, rows: Observations, times: np.ndarray
) -> np.ndarray:
    """Cumulative hazards (B, n) that units passed by some times, at parameters (B, p)."""
    n = times.shape[-1]
    extra = bucket_size(n) - n
    running = still_running(times, rows.entry, rows.exit)
    wide = running._map(
        lambda column: np.concatenate([column, np.repeat(column[..., :1], extra, axis=-1)], axis=-1)
    )
    terms = np.asarray(_terms(lifetime, points, wide))[:, :n]
    return passed(terms, times, rows.entry, rows.exit)


def statistics(lifetime: Lifetime, points: np.ndarray, rows: Observations) -> np.ndarray:
    """The statistics (B, 3) of rows (B, n) of one unit each, at parameters (B, p)."""
    return distances_of(rows, partial(_passed, lifetime, points, rows))


def goodness_of_fit(
    truth: Truth, rng: np.random.Generator, n_replicates: int, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Statistics (3,) of a fit, and those (B, 3) of replicates drawn from it and fitted again.

    Replicates without an interior maximum are left out.
    """
    units = whole_units(truth.rows)
    lifetime = truth.template.lifetime
    observed = statistics(lifetime, truth.x[None], units._map(lambda column: column[None]))[0]
    kept: list[np.ndarray] = []
    done = 0
    for batch in truth.batches(rng, n_replicates):
        wanted = min(BATCH, n_replicates - done)
        ends = truth.refits(batch, wanted)
        points = np.stack([truth.x if end is None else end.x for end in _filled(ends)])
        good = [i for i, end in enumerate(ends) if end is not None]
        kept.append(statistics(lifetime, points, batch)[good])
        done += wanted
        progress(done, n_replicates)
    return observed, np.concatenate(kept)


def _filled(ends: list[LocalMaximum | None]) -> list[LocalMaximum | None]:
    """As many as a whole batch: one shape of a program serves the last one too."""
    return ends + [None] * (BATCH - len(ends))


def p_values(observed: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Shares of statistics at least as large, the observed one among them (Davison and Hinkley)."""
    above = np.sum(drawn >= observed * (1.0 - 1e-12), axis=0)
    return (1.0 + above) / (1.0 + len(drawn))


__all__ = ["STATISTICS", "goodness_of_fit", "p_values", "statistics"]
