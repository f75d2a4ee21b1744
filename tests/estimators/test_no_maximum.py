"""Data without an interior maximum: the user is told, and never handed a collapse."""

import numpy as np
import pytest

from survjax import FitWarning, NoFiniteMaximum, WeibullMixture


@pytest.mark.parametrize(
    ("durations", "n_components"),
    [([1.0, 2, 3, 4, 5], 3), ([1.0] * 5 + [2.0] * 5, 2), ([3.0, 4.0], 2)],
)
def test_a_penalized_fit_stands_in_for_a_collapse(durations, n_components):
    with pytest.warns(FitWarning, match="penalized fit"):
        model = WeibullMixture(n_components).fit(durations)
    assert not model.converged_
    assert model.certificate_.faults
    assert np.all(model.shapes_ <= 60)
    assert np.all(np.isfinite(model.predict([0.0, 1.0])))
    assert np.isnan(model.covariance_).all()


def test_the_likelihood_of_a_penalized_fit_is_that_of_its_parameters():
    durations = np.array([1.0, 1, 1, 2, 2, 2, 3])
    with pytest.warns(FitWarning):
        model = WeibullMixture(2).fit(durations)
    k = (durations[:, None] / model.scales_) ** model.shapes_
    density = model.weights_ * model.shapes_ / durations[:, None] * k * np.exp(-k)
    assert model.log_likelihood_ == pytest.approx(np.log(density.sum(1)).sum(), rel=1e-9)


def test_a_scale_out_of_the_range_of_numbers_is_refused():
    with pytest.raises(NoFiniteMaximum, match="range of numbers"):
        WeibullMixture(1).fit([1.0, 1e300], [1, 0])


def test_more_components_than_rows_are_refused_at_once():
    rng = np.random.default_rng(0)
    life = 10.0 * rng.weibull(1.5, 30)
    with pytest.raises(NoFiniteMaximum, match="40 components .* 30 different rows"):
        WeibullMixture(40).fit(life)
    chosen = WeibullMixture("bic", max_components=9).fit(life[:3])
    assert list(chosen.selection_["n_components"]) == [1, 2, 3]
