"""Scores of rows: how each would move a fit."""

from __future__ import annotations

import jax
import numpy as np

from survjax._core.numerics import bucket_size
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.data.observations import Observations
from survjax.lifetimes import Lifetime
from survjax.likelihood.row_derivatives import log_contributions


@program
def _scores(lifetime: Lifetime, rows: Observations) -> jax.Array:
    vector, unravel = ravel_parameters(lifetime)
    found: jax.Array = jax.jacfwd(lambda v: log_contributions(unravel(v), rows))(vector)
    return found


def scores(lifetime: Lifetime, rows: Observations) -> np.ndarray:
    """Derivatives (n, p) of each row's log-likelihood along the parameters, before its weight."""
    if not rows.n_rows:
        return np.zeros((0, ravel_parameters(lifetime)[0].size))
    wide = rows.padded(bucket_size(rows.n_rows))
    return np.asarray(_scores(lifetime, wide))[: rows.n_rows]
