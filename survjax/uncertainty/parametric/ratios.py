"""Likelihood ratios of two models when the smaller one is true, by the parametric bootstrap."""

from __future__ import annotations

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.settings import Settings
from survjax.likelihood.vector.template import Template
from survjax.uncertainty.parametric.replicates import Progress, Truth, best_of
from survjax.uncertainty.replicates import BATCH, batch_item


def drawn_ratios(
    truth: Truth,
    larger: Template,
    settings: Settings,
    rng: np.random.Generator,
    n_replicates: int,
    progress: Progress,
) -> np.ndarray:
    """Twice the log-likelihood that the larger model gains on data drawn from the smaller: (B,).

    Each replicate is searched for the maximum of the larger model as the data were. Those on
    which one of the models has no interior maximum are left out.

    References
    ----------
    McLachlan (1987), Applied Statistics 36.
    """
    ratios: list[float] = []
    done = 0
    for batch in truth.batches(rng, n_replicates):
        wanted = min(BATCH, n_replicates - done)
        for i, small in enumerate(truth.refits(batch, wanted, searched=True)):
            item: Observations = batch_item(batch, i)
            large = None if small is None else best_of(larger, item, settings)
            if small is not None and large is not None:
                ratios.append(2.0 * (large.value - small.value))
            progress(done + i + 1, n_replicates)
        done += wanted
    return np.array(ratios)
