"""Shares of units that no row can be of, and that no data can therefore tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from survjax.data.observations import Observations
from survjax.estimators.messages import NoFiniteMaximum

#: The parameter that is the share of units which never fail.
SHARE = "logit_cured_share"


def refuse_unseen_cured(rows: Observations, names: Sequence[str], known: np.ndarray) -> None:
    """Refuse a share of units that never fail where only units that failed could be seen.

    The chance to fail by a time and by the exit both have the factor 1 - share, which cancels: the
    likelihood is that of the units that can fail, whatever the share.

    Parameters
    ----------
    rows : Observations
        What is fitted.
    names : sequence of p strings
        Parameters or coefficients.
    known : array of bool of shape (p,)
        Which of them are fixed, or have a prior.
    """
    own = [name.partition(":")[0].rpartition(".")[2] == SHARE for name in names]
    if rows.exit is None or not np.any(np.array(own, bool) & ~known):
        return
    if np.all(np.isfinite(rows.exit) | (rows.weight == 0)):
        raise NoFiniteMaximum(
            "a cured share is not identified here: each of these units was seen only because it "
            "failed by its exit, so that units which never fail are never seen, and the likelihood "
            "is the same for every share. Fit the lives of the units that can fail without it; or "
            "fix the share (fixed={'cured_share': 0.3}), give it a prior (survjax.priors.Beta), or "
            "add units that were followed whether they failed or not (an infinite exit)"
        )
