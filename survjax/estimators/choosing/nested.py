"""Tests of a model against a larger one that holds it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.special import chdtrc

from survjax._core.annotations import RandomState
from survjax._core.precision import double_precision
from survjax._core.validation import how_many, random_generator
from survjax.data.observations import Observations
from survjax.estimators.choosing.holds import check_holds
from survjax.estimators.choosing.replicates import (
    check_replicates,
    regression_truth_of,
    shown,
    truth_of,
)
from survjax.estimators.messages import NotFittedError
from survjax.uncertainty.delta import rows_needed
from survjax.uncertainty.parametric.goodness import p_values
from survjax.uncertainty.parametric.ratios import drawn_ratios
from survjax.uncertainty.parametric.regressions import regression_ratios

METHODS = ("chi2", "bootstrap")
#: Log-likelihood by which a larger model may lie below a smaller one by rounding.
ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True)
class LikelihoodRatio:
    """A test of a model against a larger one.

    Attributes
    ----------
    statistic : float
        Twice what the larger model gains in log-likelihood.
    df : int
        How many parameters it has more.
    p_value : float
        Chance of such a gain if the smaller model is the truth.
    method : {"chi2", "bootstrap"}
        What the p-value is by.
    replicates : array of shape (B,) or None
        The statistic on data drawn from the smaller model, where both have a maximum.
    """

    statistic: float
    df: int
    p_value: float
    method: str
    replicates: np.ndarray | None = dataclasses.field(default=None, repr=False, compare=False)


@double_precision
def likelihood_ratio_test(
    smaller: Any,
    larger: Any,
    method: str = "chi2",
    *,
    n_replicates: int = 199,
    random_state: RandomState = 0,
    progress: bool = False,
) -> LikelihoodRatio:
    r"""Test a fitted model against a larger one that holds it, fitted to the same rows.

    Parameters
    ----------
    smaller, larger : fitted estimators
        Such as an exponential and a Weibull, regressions on some columns and on more, or, with
        "bootstrap", `WeibullMixture(1)` and `WeibullMixture(2)`.
    method : {"chi2", "bootstrap"}, default "chi2"
        "chi2" takes the statistic to be chi-squared with as many degrees of freedom as there are
        more parameters. "bootstrap" draws data from the smaller model, censored as these are, and
        fits both models to each, searched as the data were: for numbers of components, whose
        statistic is not chi-squared, and small samples. Regressions are drawn at the columns of
        the units, one row each, and must be fitted to the same ones: `MixtureRegression(1)` and
        `MixtureRegression(2)`.
    n_replicates : int, default 199
        Data sets drawn.
    random_state : int or numpy.random.Generator, default 0
        Seeds them.
    progress : bool, default False
        Say on stderr how many are done.

    Returns
    -------
    LikelihoodRatio
        With `statistic`, `df`, `p_value`, `method` and `replicates`.

    Raises
    ------
    ValueError
        If the models were fitted to different rows or times in different units, if "chi2" does not
        hold (numbers of components, penalties), or if the larger model does not hold the smaller.

    Notes
    -----
    The statistic is :math:`2 (l_1 - l_0)` (Wilks 1938). A mixture with a component less is no
    interior point of the larger model, and its statistic has no such law: McLachlan (1987) draws
    it. Where the smaller model stands at the border of the larger one (no cured share, say), the
    chi-squared law is too wide, and p-values are up to twice what they should be: take the
    bootstrap. Replicates on which a model has no interior maximum are left out, as data without
    one are not tested. Whether one family holds another is seen by fitting the larger to the
    quantiles of the smaller.

    Examples
    --------
    >>> from survjax import LifetimeModel, likelihood_ratio_test
    >>> lives = [3.0, 5.0, 8.0, 9.0, 12.0, 14.0]
    >>> smaller, larger = (LifetimeModel(name).fit(lives) for name in ("exponential", "weibull"))
    >>> found = likelihood_ratio_test(smaller, larger)
    >>> found.df, round(found.statistic, 2), round(found.p_value, 3)
    (1, 5.05, 0.025)
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    for model, name in ((smaller, "smaller"), (larger, "larger")):
        _check_fit(model, name)
    _check_rows(smaller, larger)
    many, few = (_n_free(model) for model in (larger, smaller))
    more = many - few
    if more <= 0:
        raise ValueError(
            f"larger must have more parameters than smaller, got {many} and {few}: compare models "
            "that do not hold each other by AIC"
        )
    statistic = 2.0 * (larger.log_likelihood_ - smaller.log_likelihood_)
    if method == "bootstrap":
        given = check_replicates(n_replicates), random_generator(random_state), progress
        return _by_bootstrap(smaller, larger, max(statistic, 0.0), more, *given)
    _check_regular(smaller, larger)
    _check_fixed(smaller, larger)
    check_holds(smaller, larger)
    if statistic < -ROUNDING * (1.0 + abs(larger.log_likelihood_)):
        raise ValueError(
            f"larger has a log-likelihood of {larger.log_likelihood_:.6g}, less than that of "
            f"smaller, {smaller.log_likelihood_:.6g}: it does not hold it"
        )
    statistic = max(statistic, 0.0)
    return LikelihoodRatio(statistic, more, float(chdtrc(more, statistic)), method)


def _by_bootstrap(
    smaller: Any,
    larger: Any,
    statistic: float,
    df: int,
    n_replicates: int,
    rng: np.random.Generator,
    progress: bool,
) -> LikelihoodRatio:
    """The test by data drawn from the smaller model."""
    covariates = [hasattr(model, "_fitted") for model in (smaller, larger)]
    if all(covariates):
        _check_columns(smaller, larger)
        pair = [regression_truth_of(m, "likelihood_ratio_test") for m in (smaller, larger)]
        drawn = regression_ratios(pair[0], pair[1], rng, n_replicates, shown(progress))
    elif all(hasattr(model, "lifetime_") for model in (smaller, larger)):
        truth, settings = truth_of(smaller, "likelihood_ratio_test"), larger._settings()
        drawn = drawn_ratios(truth, larger._template, settings, rng, n_replicates, shown(progress))
    else:
        raise ValueError(
            "method='bootstrap' is of two lifetimes without covariates, or of two regressions that "
            "are lifetimes: use 'chi2'"
        )
    if not drawn.size:
        raise ValueError(
            f"none of {n_replicates} data sets drawn from smaller has an interior maximum of "
            "larger: these data do not support it"
        )
    p_value = float(p_values(np.array([statistic]), drawn[:, None])[0])
    return LikelihoodRatio(statistic, df, p_value, "bootstrap", drawn)


def _check_columns(smaller: Any, larger: Any) -> None:
    """Refuse regressions on other columns, of which no replicate would have both."""
    one, other = (model._training.x for model in (smaller, larger))
    if one.shape != other.shape or not np.array_equal(one, other):
        raise ValueError(
            "method='bootstrap' draws lives at the columns of smaller, and larger was fitted to "
            "others: fit both to all columns, of which on= says what moves what"
        )


def _check_fit(model: Any, name: str) -> None:
    """Refuse what is no fit, or none with a maximum."""
    if not hasattr(model, "log_likelihood_"):
        raise NotFittedError(f"{name} is not fitted yet: call fit first")
    if not getattr(model, "converged_", True):
        raise ValueError(
            f"{name} is no maximum, and certificate_ says: {model.certificate_.status}"
        )
    if getattr(model, "priors", None):
        raise ValueError(f"{name} has priors, so that its likelihood is no maximum: fit without")


def _check_regular(smaller: Any, larger: Any) -> None:
    """Refuse what has no chi-squared law."""
    for model, name in ((smaller, "smaller"), (larger, "larger")):
        if getattr(model, "penalty_", 0.0):
            raise ValueError(f"{name} is penalized, so that its likelihood is no maximum")
    few, many = (_n_components(model) for model in (smaller, larger))
    if few != many:
        raise ValueError(
            f"models of {few} and {many} components have no chi-squared statistic: pass "
            "method='bootstrap'"
        )


def _n_free(model: Any) -> int:
    """How many parameters the data choose."""
    return int(getattr(model, "n_free_", model.parameters_.size))


def _check_fixed(smaller: Any, larger: Any) -> None:
    """Refuse a larger model that holds parameters which the smaller does not hold alike."""
    if not hasattr(larger, "_template") or not larger._template.constraints.is_any:
        return
    ours, theirs = larger._template, smaller._template
    known = ours.constraints.fixed
    alike = ours.names == theirs.names and not ours.constraints.is_bounded
    if not alike or not np.array_equal(
        ours.constraints.values[known], theirs.constraints.values[known]
    ):
        raise ValueError(
            "larger holds parameters by fixed= or bounds= that smaller does not hold alike, so "
            "that it does not hold smaller: compare them by AIC"
        )


def _n_components(model: Any) -> int:
    """How many components a model has."""
    if hasattr(model, "_template"):
        return int(model._template.n_components)
    return int(model._fitted.form.n_components)


def _check_rows(smaller: Any, larger: Any) -> None:
    """Refuse fits to different rows."""
    rows = [_rows_of(model) for model in (smaller, larger)]
    same = smaller.n_units_ == larger.n_units_ and _same(*rows)
    if not same:
        counts = " and ".join(
            f"{how_many(m.n_units_, 'unit')}, {how_many(m.n_events_, 'failure')}"
            for m in (smaller, larger)
        )
        raise ValueError(
            "smaller and larger must be fitted to the same rows, in one unit of time and recorded "
            f"in one way, and these are not ({counts}): their likelihoods cannot be compared"
        )


def _rows_of(model: Any) -> Observations:
    """The rows that a model was fitted to, equal ones merged."""
    rows = getattr(model, "_rows", None)
    if rows is None and hasattr(model, "_training"):
        rows = model._training.rows
    if rows is None:
        raise rows_needed("likelihood_ratio_test")
    found: Observations = rows.compressed()
    return found


def _same(one: Observations, other: Observations) -> bool:
    """Whether two sets of rows are equal, weights but for rounding."""
    if one.n_rows != other.n_rows:
        return False
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if (a is None) != (b is None):
            return False
        if a is None:
            continue
        equal = np.allclose(a, b, rtol=1e-12) if field.name == "weight" else np.array_equal(a, b)
        if not equal:
            return False
    return True
