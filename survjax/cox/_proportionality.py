"""A test of proportional hazards: whether coefficients drift with time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import check_rows
from survjax.cox._chi_squared import Test, chi_squared
from survjax.cox._fitted import CoxFit
from survjax.cox.partial_likelihood.derivatives import curvature, denominate, sum_event_weights
from survjax.nonparametric.product_limit import survival_curve
from survjax.nonparametric.risk_table import risk_table
from survjax.nonparametric.rows import Floats, Lives, Rows, check_lifetimes

__all__ = ["Proportionality", "proportionality_test"]

TRANSFORMS = ("km", "rank", "log", "identity")
#: A drift is told if this share of its information is left once the coefficients are fitted.
LEAST_EIGENVALUE = 1e-10


@dataclass(frozen=True)
class Proportionality:
    """Score tests of coefficients that drift with time.

    Parameters
    ----------
    statistic, p_value : ndarray of shape (p,)
        For each covariate, chi-squared with one degree of freedom; NaN where there is no
        coefficient, or where the failures cannot tell a drift.
    overall : Test
        All covariates at once. Its degrees of freedom are the number of drifts that the failures
        tell apart.
    """

    statistic: Floats
    p_value: Floats
    overall: Test


def proportionality_test(
    fit: CoxFit,
    transform: str = "km",
    *,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> Proportionality:
    """Test for each covariate whether its coefficient is ``b + c g(t)`` with c not 0.

    The score test of c = 0, with its exact information. A ridge penalty holds b as it did in the
    fit, and leaves c free; the p-values are then approximate.

    Parameters
    ----------
    fit : CoxFit
    transform : {"km", "rank", "log", "identity"}
        g: one minus the Kaplan-Meier curve of all rows, strata together, just before each time, in
        which early and late failures weigh alike; the ranks of the times among the ends of all
        rows; their logarithm; or the times. A row counts as often as its weight says.
    entry, sample_weight : array-like of shape (n,), optional
        As they were given to `fit_cox`, which keeps only the rows that are at risk at a failure
        of their own stratum.

    Returns
    -------
    Proportionality

    Raises
    ------
    ValueError
        For failures that cannot tell any drift, such as failures at one time only, and for
        weights that are not those of the fit.

    References
    ----------
    Grambsch and Therneau (1994), Biometrika 81; R's survival from version 3 on.

    Examples
    --------
    >>> from survjax.cox import fit_cox
    >>> x = [[0.0], [1.0], [1.0], [0.0], [1.0], [0.0], [0.0], [1.0]]
    >>> found = proportionality_test(fit_cox([1, 2, 3, 4, 5, 6, 7, 8], None, x), "rank")
    >>> found.overall.df, found.p_value.round(4).tolist()
    (1, [0.5555])
    """
    if transform not in TRANSFORMS:
        words = ", ".join(f'"{name}"' for name in TRANSFORMS[:-1])
        raise ValueError(f'transform must be {words} or "{TRANSFORMS[-1]}", got {transform!r}')
    sets, failures = fit.sets, fit.failures
    g = _centered(fit, _clock(fit, transform, entry, sample_weight))
    below = denominate(sets, failures, fit.risk)
    # Information about b, between b and c, and about c: sums of V, g V and g^2 V over time.
    blocks = []
    for factor in (np.ones_like(g), g, g**2):
        weighted = sum_event_weights(failures, below, sets.n_times, factor)
        blocks.append(curvature(sets, failures, fit.risk, weighted)[1])
    slope = curvature(
        sets, failures, fit.risk, sum_event_weights(failures, below, sets.n_times, g)
    )[0]
    rows = failures.rows
    slope = sets.x[:, rows] @ (sets.weight[rows] * g[failures.at]) - slope
    blocks[0] = blocks[0] + np.diag(fit.penalty.parts(sets.scale)[1])
    known = np.flatnonzero(np.isfinite(fit.coef))
    plain, mixed, squared = (block[np.ix_(known, known)] for block in blocks)
    return _score_tests(fit.coef.size, known, slope[known], plain, mixed, squared)


def _score_tests(
    p: int, known: Floats, slope: Floats, plain: Floats, mixed: Floats, squared: Floats
) -> Proportionality:
    """Test each known column's drift, and all of them, given the information blocks."""
    # What is left of the information about c once b is fitted.
    left = squared - mixed.T @ _inverse(plain, np.diag(plain))[0] @ mixed
    own, size = np.diag(left), np.diag(squared)
    told = own > LEAST_EIGENVALUE * size
    if not told.any():
        raise ValueError(
            "the failures cannot tell whether any coefficient drifts with time: too few of them "
            "are at risk together with units of other covariates. More failures are needed"
        )
    statistic, p_value = np.full((2, p), np.nan)
    statistic[known[told]] = slope[told] ** 2 / own[told]
    p_value[known[told]] = [chi_squared(value, 1).p_value for value in statistic[known[told]]]
    inverse, rank = _inverse(left[np.ix_(told, told)], size[told])
    total = slope[told] @ inverse @ slope[told]
    return Proportionality(statistic, p_value, chi_squared(total, rank))


def _inverse(matrix: Floats, size: Floats) -> tuple[Floats, int]:
    """Invert an information matrix on the directions it has, and count them.

    `size` is what each diagonal entry was before others were taken off: rounding is measured by it.
    """
    scale = 1.0 / np.sqrt(np.where(size > 0, size, 1.0))
    values, vectors = np.linalg.eigh(matrix * np.outer(scale, scale))
    determined = values > LEAST_EIGENVALUE
    inverse = (vectors[:, determined] / values[determined]) @ vectors[:, determined].T
    return inverse * np.outer(scale, scale), int(np.count_nonzero(determined))


def _centered(fit: CoxFit, clock: Floats) -> Floats:
    """Measure the clock from its mean over the failures, and in its largest distance from it."""
    failures = fit.failures
    weight = np.bincount(failures.at, fit.sets.weight[failures.rows], clock.size)
    span = np.ptp(clock)
    if not span > 0:
        times = np.unique(fit.sets.times)
        got = f"all of them at {times[0]:g}" if times.size == 1 else "all at one reading of it"
        raise ValueError(
            "a drift with time needs failures at two or more times of the clock, got "
            f"{failures.rows.size} failures, {got}: follow units for longer, or record times finer"
        )
    g = (clock - clock.min()) / span
    g = g - weight @ g / weight.sum()
    return g / np.abs(g).max()


def _clock(
    fit: CoxFit, transform: str, entry: ArrayLike | None, sample_weight: ArrayLike | None
) -> Floats:
    """Return g at each failure time: (G,)."""
    times = fit.sets.times
    if transform == "identity":
        return times
    if transform == "log":
        advice = 'take another transform, such as "rank"'
        check_rows(times, times > 0, 'failure times for transform "log"', "above zero", advice)
        return np.log(times)
    rows = _all_rows(fit, entry, sample_weight)
    if transform == "rank":
        clock = _ranks(rows)
    else:
        curve = survival_curve(risk_table(_lives(rows)), 0.95, "plain")
        clock = 1.0 - curve.before(rows.durations)
    failures, found = fit.failures, np.empty(times.size)
    found[failures.at] = clock[fit.sets.order[failures.rows]]
    return found


def _all_rows(fit: CoxFit, entry: ArrayLike | None, sample_weight: ArrayLike | None) -> Rows:
    """Return every row that was given to the fit, times merged as it merged them."""
    n, sets = fit.durations.size, fit.sets
    event = np.zeros(n, dtype=bool)
    event[sets.order[fit.failures.rows]] = True
    rows = check_lifetimes(fit.durations, event, entry, sample_weight)
    other = rows.weight[sets.order] != sets.weight
    if other.any():
        raise ValueError(
            f"sample_weight must be what the fit was given, but {np.count_nonzero(other)} rows "
            f"differ, the first of them row {sets.order[other].min()}: pass the same weights"
        )
    return rows


def _lives(rows: Rows) -> Lives:
    """Return the same rows as those of curves."""
    return Lives(rows.durations, rows.event_observed, rows.entry, rows.weight)


def _ranks(rows: Rows) -> Floats:
    """Return the mean rank of each row's end among the ends of all rows, by weight."""
    _, where = np.unique(rows.durations, return_inverse=True)
    weight = np.bincount(where, rows.weight)
    return (np.cumsum(weight) - 0.5 * weight)[where]
