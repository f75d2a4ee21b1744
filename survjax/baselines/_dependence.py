"""Columns that depend on each other: which parameters the rows determine, and which not."""

from __future__ import annotations

import warnings

import numpy as np

from survjax._core.callers import users_level
from survjax.estimators.messages import FitWarning

#: A parameter that moves by more than this share along a flat direction is not determined.
SHARE = 1e-8


def invert(information: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pseudo-inverse of a symmetric matrix, and a basis (p, d) of the directions left out.

    Parameters that touch nothing (a constant column, once it is centered) stay zero, and are no
    direction: they are left out by themselves.
    """
    size = len(information)
    used = np.flatnonzero(np.diag(information) > 0)
    eigenvalues, vectors = np.linalg.eigh(information[np.ix_(used, used)])
    spread = np.zeros((size, len(used)))
    spread[used] = vectors
    keep = eigenvalues > 4 * size * np.finfo(float).eps * eigenvalues.max(initial=0.0)
    inverse = (spread[:, keep] / eigenvalues[keep]) @ spread[:, keep].T
    return inverse, spread[:, ~keep]


def moved(back: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Which rows of `back` (what is reported of the parameters) change along flat directions."""
    return np.linalg.norm(back @ flat, axis=1) > SHARE * np.linalg.norm(back, axis=1)


def hide(
    covariance: np.ndarray, dependent: np.ndarray, constant: np.ndarray, names: tuple[str, ...]
) -> np.ndarray:
    """Errors only for what the rows determine; warns where columns depend on each other.

    Other values of dependent parameters fit as well: an error of those that were chosen would
    say something that is not known. The effect of a constant column is zero by convention.
    """
    if dependent.any():
        lost = [name for name, is_lost in zip(names, dependent, strict=True) if is_lost]
        listed = ", ".join(lost[:6]) + (f" and {len(lost) - 6} more" if len(lost) > 6 else "")
        warnings.warn(
            f"the rows do not determine {listed}: columns depend on each other, or are more than "
            "there are rows. Predictions stand, but these parameters are one choice of many and "
            "have no standard errors: drop columns",
            FitWarning,
            stacklevel=users_level(),
        )
    hidden = dependent | constant
    return np.where(hidden[:, None] | hidden, np.nan, covariance)
