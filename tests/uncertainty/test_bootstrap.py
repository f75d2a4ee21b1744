"""Refits of replicates reach the maxima that count, narrow components included."""

import numpy as np

from survjax import WeibullMixture
from survjax._core.precision import double_precision
from survjax.data.truncation_rows import with_truncation_rows
from survjax.fitting.interior import Interior, violations
from survjax.fitting.local_maxima import Maximizer
from survjax.fitting.settings import Settings
from survjax.likelihood.weibulls import weibull_template
from survjax.uncertainty.replicates import batch_item, resampled, simulated
from tests.studies.coverage import SCENARIOS, SEED


@double_precision
def test_refits_keep_a_narrow_component_where_the_likelihood_does():
    # A penalty on steep shapes, though taken off at the end, led one refit in ten elsewhere.
    rng = np.random.default_rng(0)
    life = np.r_[30.0 * rng.weibull(1.2, 60), 20.0 * rng.weibull(40.0, 15)]
    model = WeibullMixture(2).fit(life)
    assert model.shapes_.max() > 25
    replicates = model.bootstrap(64, random_state=0).bootstrap_
    assert replicates.n_failed == 0
    batch = next(resampled(model._rows, np.random.default_rng(0)))
    template, limits = weibull_template(2), Settings().limits(2, 75.0)
    compared = 0
    for i, refit in enumerate(replicates.parameters):
        maximizer = Maximizer(template, batch_item(batch, i))
        nearest = maximizer(model.parameters_[None], limits)[0]
        there = maximizer.at(refit[None])[0]
        assert np.abs(there.gradient).max() < 1e-4
        if not violations(nearest, template, Interior(), 75.0):
            compared += 1
            np.testing.assert_allclose(there.value, nearest.value, rtol=1e-9)
    assert compared > 50


def test_bounds_reach_the_other_maxima_that_replicates_prefer():
    # The highest maximum has a component on a few neighbors; most of the likelihood lies elsewhere.
    scenario = SCENARIOS[4]
    fleet = scenario.observe(np.random.default_rng([SEED, 4, 1]), scenario)
    model = WeibullMixture(2).fit(fleet.durations, fleet.events)
    assert model._maxima is not None and model.weights_[0] > 0.9
    model.bootstrap(64, random_state=0)
    lower, upper = model.confidence_interval("weights", method="bootstrap")
    assert lower[0] < scenario.weights[0] < model.weights_[0] <= upper[0]


@double_precision
def test_replicates_with_late_entry_have_their_own_truncation_rows_only():
    rng = np.random.default_rng(3)
    life, entry = 20.0 * rng.weibull(1.8, 150), np.where(np.arange(150) % 3, 0.0, 6.0)
    seen = life > entry
    model = WeibullMixture(1).fit(life[seen], entry=entry[seen])
    batch = next(simulated(model.lifetime_, model._rows, rng, None))
    wide = with_truncation_rows(batch)
    alone = with_truncation_rows(batch_item(batch, 5))
    assert wide.lower.shape == (64, alone.n_rows)
    np.testing.assert_array_equal(wide.weight[5], alone.weight)
    replicates = model.bootstrap(128, kind="parametric", random_state=1).bootstrap_
    assert replicates.n_failed == 0
    errors = np.sqrt(np.diag(model.covariance_))
    np.testing.assert_allclose(replicates.parameters.std(axis=0), errors, rtol=0.3)
    away = (replicates.parameters.mean(axis=0) - model.parameters_) / errors
    assert np.abs(away).max() < 0.4
