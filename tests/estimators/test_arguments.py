"""Arguments of a fitted model's methods: each that makes no sense gets one clear error."""

import numpy as np
import pytest

from survjax import (
    AcceleratedLifetime,
    CoxPH,
    DeepWeibullMixture,
    LifetimeModel,
    MixtureRegression,
    Observations,
    WeibullMixture,
    compute_hazard,
    survival_target,
)

ROWS = Observations.from_durations([3.0, 5.0, 8.0])
MASKED = np.ma.array([1.0, 2.0], mask=[False, True])


@pytest.fixture(scope="module")
def model():
    return WeibullMixture(1).fit([3.0, 5.0, 8.0, 9.0, 14.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.predict([]), "ages is empty"),
        (lambda m: m.predict(None), "ages must be numbers, got nan in row 0"),
        (lambda m: m.quantile([]), "quantile needs at least one point"),
        (lambda m: m.quantile("half"), "q must be numbers, got text"),
        (lambda m: m.survival([1, 2, 3], ages=[1, 2]), "must broadcast, got shapes .3,. and .2,."),
        (lambda m: m.survival(MASKED), "t has masked entries, the first in row 1"),
        (lambda m: m.predict_rul(MASKED), "ages has masked entries, the first in row 1"),
        (lambda m: m.failure_probability([1.0], MASKED), "horizon has masked entries"),
        (lambda m: m.predict_rul([1.0], level=1 - 1e-16), "level must be at most 0.99999"),
        (lambda m: m.predict_interval([1.0], level=1 - 1e-16), "level must be at most"),
        (lambda m: m.sample(1.5), "n must be a whole number of at least 0, got 1.5"),
        (lambda m: m.sample(-1), "n must be a whole number of at least 0, got -1"),
        (lambda m: m.sample(3, random_state="dice"), "random_state must be a whole number"),
        (lambda m: m.bootstrap(20, random_state=-1), "random_state must be a whole number"),
        (lambda m: m.score(ROWS, [1, 1, 1]), "Observations hold events, entry, exit and weights"),
        (lambda m: m.score([0.0], [0]), "nothing is known of any unit"),
    ],
)  # fmt: skip
def test_arguments_that_make_no_sense_get_one_clear_error(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


@pytest.mark.parametrize("wrong", [5, "weibull", WeibullMixture()])
def test_a_hazard_is_computed_of_lifetimes_only(wrong):
    with pytest.raises(TypeError, match="such as the lifetime_ of a fitted model, got"):
        compute_hazard(wrong, [1.0])


def test_quantiles_that_differ_have_columns_of_their_own(model):
    shares = (0.07, 0.1, 1.0 / 3.0, 0.33333333, 1e-9)
    names = [name for name in model.predict_rul([1.0], shares) if name.startswith("q")][::3]
    assert names == ["q7", "q10", "q33.3333333333", "q33.333333", "q1e-07"]
    values = model.predict_rul([1.0], shares)[names].to_numpy()[0]
    np.testing.assert_allclose(values, model.quantile(shares, ages=1.0), rtol=1e-12)


def test_scores_of_rows_and_of_their_columns_are_one(model):
    assert model.score(ROWS) == model.score([3.0, 5.0, 8.0])


@pytest.mark.parametrize("kind", [WeibullMixture, LifetimeModel])
def test_a_table_and_names_of_columns_are_told_to_be_columns(kind):
    table = {"duration": [3.0, 5.0], "failed": [1, 0]}
    advice = r'as in fit\(table\["duration"\], table\["failed"\]\)'
    with pytest.raises(TypeError, match=f"{kind.__name__}.fit: too many positional .*{advice}"):
        kind().fit(table, "duration", "failed")


def test_events_that_are_zeros_and_ones_are_no_upper_bounds():
    lives, failed = [3.0, 5.0, 0.5], [1, 0, 1]
    expected = survival_target(lives, np.array(failed, bool))
    np.testing.assert_array_equal(survival_target(lives, failed), expected)
    np.testing.assert_array_equal(survival_target(lives, np.array(failed, float)), expected)
    bounds = survival_target([0.0, 0.5], [1, 1])
    assert bounds.dtype.names == ("lower", "upper")
    with pytest.raises(ValueError, match="at least lower"):
        AcceleratedLifetime().fit([[0.0], [1.0]], survival_target([3.0, 5.0], [2, 7]))


@pytest.mark.parametrize(
    "kind", [AcceleratedLifetime, CoxPH, MixtureRegression, DeepWeibullMixture]
)
def test_durations_and_events_apart_are_told_to_go_into_one_target(kind):
    x, time, failed = [[0.0], [1.0], [2.0]], [3.0, 5.0, 8.0], [1, 1, 0]
    advice = r"fit\(X, numpy.column_stack\(\[durations, event_observed\]\)\)"
    with pytest.raises(TypeError, match=f"{kind.__name__}.fit: too many positional .*{advice}"):
        kind().fit(x, time, failed)
    with pytest.raises(TypeError, match=f"{kind.__name__}.fit: .*'event_observed'.*{advice}"):
        kind().fit(x, time, event_observed=failed)
    with pytest.raises(TypeError, match=f"{kind.__name__}.fit: missing .* 'y'.*{advice}"):
        kind().fit(x)
