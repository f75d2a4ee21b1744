"""Data without an interior maximum: the user is told, and never handed a collapse."""

import numpy as np
import pytest

from survjax import (
    AcceleratedLifetime,
    FitWarning,
    LifetimeModel,
    NoFiniteMaximum,
    WeibullMixture,
    survival_target,
)


@pytest.mark.parametrize(
    ("durations", "n_components"),
    [([1.0, 2, 3, 4, 5], 3), ([1.0] * 5 + [2.0] * 5, 2), ([3.0, 4.0], 2)],
)
def test_a_penalized_fit_stands_in_for_a_collapse(durations, n_components):
    with pytest.warns(FitWarning, match="penalized fit"):
        model = WeibullMixture(n_components).fit(durations)
    assert not model.converged_
    assert model.certificate_.violations
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


INF = np.inf


@pytest.mark.parametrize(
    ("lower", "upper", "direction", "cause"),
    [
        ([0, 0, 0, 3, 4, 5, 9], [7, 8, 2, INF, INF, INF, INF], "toward 0", "ever flatter shapes"),
        ([0, 0, 3, 4], [1, 2, INF, INF], "toward 0", "ever flatter shapes"),
        ([2, 3, 1], [5, 6, 4], "toward infinity", "ever steeper shapes"),
        ([5, 6, 3, 4], [7, 8, INF, INF], "toward infinity", "ever steeper shapes"),
        ([3, 3, 3], [3, 3, 3], "toward infinity", "share one time"),
        ([1, 2, 3], [INF, INF, 3], "toward infinity", "none was seen before the longest"),
        ([0, 0], [3, 4], "stood at", "intervals of all failures overlap"),
    ],
)
def test_the_message_names_the_direction_in_which_the_shape_ran(lower, upper, direction, cause):
    with pytest.raises(NoFiniteMaximum, match=f"the shape .*{direction}") as told:
        WeibullMixture(1).fit_interval(lower, upper)
    assert cause in str(told.value)


def test_a_regression_on_lives_without_a_maximum_blames_no_column():
    lower, upper = np.array([5.0, 6, 3, 4]), np.array([7.0, 8, INF, INF])
    with pytest.warns(FitWarning, match="The shape ran toward infinity .* ever steeper") as told:
        AcceleratedLifetime().fit(
            np.array([[0.0], [1.0], [2.0], [0.0]]), survival_target(lower, upper)
        )
    assert "merge such columns" not in str(told[0].message)


def test_an_interior_maximum_below_a_limit_of_the_family_says_so():
    times = np.array([0.03121, 0.6193, 0.3455, 0.06604])
    # A power function up to the last failure: sums over logs give its maximum in closed form.
    power = times.size / np.sum(np.log(times.max() / times))
    supremum = np.sum(np.log(power / times) + power * np.log(times / times.max()))
    with pytest.warns(FitWarning, match="not the highest point.*power function") as caught:
        model = LifetimeModel("generalized_gamma").fit(times)
    assert f"{supremum:.6f}" in str(caught[0].message)
    assert model.log_likelihood_ < supremum - 0.5
