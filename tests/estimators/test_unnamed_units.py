"""Histories without `unit=` get one warning; those with it, and late entry alone, get none."""

import warnings

import numpy as np
import pytest

from survjax import (
    AcceleratedLifetime,
    CoxPH,
    DeepWeibullMixture,
    FitWarning,
    MixtureRegression,
    ScaledHazard,
    WeibullMixture,
)

UNITS = 80


def fleet():
    """Rows of 80 units whose load changes: X, y, and the arguments entry and unit."""
    random = np.random.default_rng(3)
    entry, stop, event, load, unit = [], [], [], [], []
    for i in range(UNITS):
        edges = np.concatenate([[0.0], np.cumsum(random.uniform(1.0, 4.0, 6))])
        x = random.normal(size=6)
        # Time runs exp(load / 2) times as fast.
        used = np.cumsum(np.diff(edges) * np.exp(0.5 * x))
        life = 12.0 * random.weibull(2.0)
        last = min(int(np.searchsorted(used, life)), 5)
        failed = used[last] >= life
        end = edges[last + 1] - (used[last] - life) * np.exp(-0.5 * x[last]) * failed
        entry += edges[: last + 1].tolist()
        stop += [*edges[1 : last + 1], end]
        event += [0] * last + [int(failed)]
        load += x[: last + 1].tolist()
        unit += [i] * (last + 1)
    y = np.column_stack([stop, event])
    return np.array(load)[:, None], y, {"entry": np.array(entry), "unit": np.array(unit)}


MODELS = {
    "accelerated": (AcceleratedLifetime(), "effects and bounds are wrong"),
    "exponential": (AcceleratedLifetime("exponential"), "BIC and penalties count rows"),
    "scaled": (ScaledHazard(), "BIC and penalties count rows"),
    "scaled mixture": (ScaledHazard(WeibullMixture(2)), "BIC and penalties count rows"),
    "mixture": (MixtureRegression(1), "different components"),
    "deep": (DeepWeibullMixture(1, n_members=2, max_epochs=3), "different components"),
    "robust Cox": (CoxPH(robust=True), "take rows for independent"),
    "penalized Cox": (CoxPH(penalty=0.1), "rows instead of units"),
}


@pytest.mark.parametrize("name", MODELS)
def test_one_warning_says_what_was_seen_what_it_does_and_what_to_do(name):
    model, consequence = MODELS[name]
    x, y, more = fleet()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.fit(x, y, entry=more["entry"])
    assert [w.category for w in told] == [FitWarning]
    message = str(told[0].message)
    censored = int(np.sum(y[:, 1] == 0))
    assert message.startswith(f"{len(y) - UNITS} of {censored} censored rows end exactly where")
    assert consequence in message
    assert "Pass unit=" in message
    assert told[0].filename == __file__


@pytest.mark.parametrize("name", ["accelerated", "scaled", "robust Cox"])
def test_with_units_there_is_no_warning(name):
    x, y, more = fleet()
    MODELS[name][0].fit(x, y, **more)  # warnings are errors here


def test_rows_that_are_units_of_their_own_can_be_said_to_be():
    x, y, more = fleet()
    with pytest.warns(FitWarning, match="unit=numpy.arange"):
        plain = AcceleratedLifetime().fit(x, y, entry=more["entry"])
    said = AcceleratedLifetime().fit(x, y, entry=more["entry"], unit=np.arange(len(y)))
    np.testing.assert_allclose(said.parameters_, plain.parameters_, rtol=1e-7)


def test_cox_without_penalty_or_sandwich_needs_no_units():
    x, y, more = fleet()
    with_units = CoxPH().fit(x, y, **more)
    assert CoxPH().fit(x, y, entry=more["entry"]).coef_ == pytest.approx(with_units.coef_)
    CoxPH(robust=True).fit(x, y, entry=more["entry"], cluster=more["unit"])


def test_a_mixture_without_covariates_is_told_that_rows_are_counted():
    _, y, more = fleet()
    with pytest.warns(FitWarning, match="Pass one row for each unit: the entry of its first row"):
        WeibullMixture("bic", max_components=2).fit(*y.T, entry=more["entry"])
    # One Weibull has the same answer, and no criterion that counts.
    WeibullMixture(1).fit(*y.T, entry=more["entry"])
