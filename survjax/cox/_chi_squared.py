"""Chi-squared tests of coefficients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from survjax.nonparametric.rows import Floats

__all__ = ["Test", "chi_squared", "quadratic_test"]

#: Eigenvalues of a correlation matrix below this share of the largest one are rounding errors.
RANK = 1e-13


@dataclass(frozen=True)
class Test:
    """A chi-squared test.

    Parameters
    ----------
    statistic : float
    df : int
    p_value : float
    """

    statistic: float
    df: int
    p_value: float


def chi_squared(statistic: float, df: int) -> Test:
    """Return the test of a statistic that is chi-squared if nothing is there."""
    return Test(float(statistic), int(df), float(chdtrc(df, max(statistic, 0.0))))


def quadratic_test(slope: Floats, spread: Floats) -> Test:
    """Return the test of ``slope' spread^-1 slope``, spread scaled to a diagonal of ones.

    Its degrees of freedom are the rank: few clusters, say, have no more to tell.
    """
    if slope.size == 0:
        return chi_squared(0.0, 0)
    values, vectors = np.linalg.eigh(spread)
    real = values > RANK * values[-1]
    return chi_squared(np.sum((vectors.T @ slope)[real] ** 2 / values[real]), int(real.sum()))
