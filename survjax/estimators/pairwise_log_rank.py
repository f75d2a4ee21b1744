"""Which groups differ: log-rank tests of all pairs, with adjusted p-values."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from survjax.nonparametric import log_rank_pairs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["pairwise_log_rank"]

#: Ways to adjust p-values of several tests.
ADJUSTMENTS = ("holm", "bonferroni", "none")


def pairwise_log_rank(
    durations: ArrayLike,
    event_observed: ArrayLike | None = None,
    *,
    groups: ArrayLike,
    adjust: str = "holm",
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    weighting: str = "logrank",
    p: float = 0.0,
    q: float = 0.0,
) -> pd.DataFrame:
    """Test each pair of groups for the same hazard.

    Parameters
    ----------
    durations, event_observed, groups, strata, entry, sample_weight, weighting, p, q
        As in :func:`~survjax.nonparametric.log_rank`. Each pair is compared by the rows
        of its two groups only.
    adjust : {"holm", "bonferroni", "none"}
        How p-values are adjusted for the number of tests. Both methods keep the probability of
        any false rejection at the level; Holm's rejects at least as often.

    Returns
    -------
    DataFrame
        One row a pair, with columns `group_a, group_b, statistic, df, p_value, p_adjusted`. A
        pair that was never at risk together has df 0 and NaN for the others, and is no test that
        the rest are adjusted for.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6.

    Examples
    --------
    >>> life = [2, 3, 9, 4, 8, 12, 20, 25, 31]
    >>> table = pairwise_log_rank(life, groups=list("aaabbbccc"))
    >>> table[["group_a", "group_b", "p_adjusted"]].round(4).to_dict("list")
    {'group_a': ['a', 'a', 'b'], 'group_b': ['b', 'c', 'c'], 'p_adjusted': [0.343, 0.0738, 0.0738]}
    """
    if adjust not in ADJUSTMENTS:
        raise ValueError(f"adjust must be one of {', '.join(ADJUSTMENTS)}, got {adjust!r}")
    names, results = log_rank_pairs(
        durations,
        event_observed,
        groups=groups,
        strata=strata,
        entry=entry,
        sample_weight=sample_weight,
        weighting=weighting,
        p=p,
        q=q,
    )
    import pandas as pd

    pairs = list(combinations(names, 2))
    p_values = np.array([np.nan if r is None else r.p_value for r in results])
    return pd.DataFrame(
        {
            "group_a": [pair[0] for pair in pairs],
            "group_b": [pair[1] for pair in pairs],
            "statistic": [np.nan if r is None else r.statistic for r in results],
            "df": [0 if r is None else r.df for r in results],
            "p_value": p_values,
            "p_adjusted": adjusted(p_values, adjust),
        }
    )


def adjusted(p_values: np.ndarray, adjust: str) -> np.ndarray:
    """Adjust p-values for the number of those that are known."""
    found = p_values.copy()
    known = np.flatnonzero(np.isfinite(p_values))
    if adjust == "bonferroni":
        found[known] = np.minimum(p_values[known] * known.size, 1.0)
    elif adjust == "holm":
        order = known[np.argsort(p_values[known], kind="stable")]
        raised = p_values[order] * np.arange(known.size, 0, -1)
        found[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return found
