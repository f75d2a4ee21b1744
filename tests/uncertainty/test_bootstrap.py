"""Refits of replicates reach the maxima that count, narrow components included."""

import numpy as np

from survjax import WeibullMixture
from survjax._core.precision import double_precision
from survjax.fitting.interior import Interior, faults
from survjax.fitting.local_maxima import Maximizer
from survjax.fitting.settings import Settings
from survjax.likelihood.weibulls import weibull_template
from survjax.uncertainty.replicates import batch_item, resampled
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
        if not faults(nearest, template, Interior(), 75.0):
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
