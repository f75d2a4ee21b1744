"""A fit does not depend on units, order, labels, padding, threads, or how rows are written."""

import concurrent.futures
import warnings

import jax
import numpy as np
import pytest

from survjax import FitWarning, Observations, WeibullMixture

RNG = np.random.default_rng(11)
LIFE = np.where(RNG.random(60) < 0.4, 5 * RNG.weibull(0.8, 60), 40 * RNG.weibull(3.0, 60))
LIMIT = RNG.uniform(10, 60, 60)
T, EVENT = np.minimum(LIFE, LIMIT), LIFE <= LIMIT
ENTRY = np.where(RNG.random(60) < 0.5, 0.0, RNG.uniform(0.0, 0.9, 60) * T)


def fitted(n_components=2, t=T, event=EVENT, **kwargs):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "[0-9]+ of [0-9]+ failures share", FitWarning)
        return WeibullMixture(n_components).fit(t, event, **kwargs)


@pytest.fixture(scope="module")
def plain():
    return fitted()


def agree(ours, theirs, rtol=1e-9):
    assert ours.converged_ == theirs.converged_
    np.testing.assert_allclose(ours.parameters_, theirs.parameters_, rtol=rtol, atol=rtol)
    assert ours.log_likelihood_ == pytest.approx(theirs.log_likelihood_, rel=1e-12)
    np.testing.assert_allclose(ours.covariance_, theirs.covariance_, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 7.0, 1e6, 1e12])
@pytest.mark.parametrize("k", [1, 2])
def test_rescaling_time_moves_only_the_scale(unit, k):
    once, moved = fitted(k), fitted(k, T * unit)
    np.testing.assert_allclose(moved.scales_, once.scales_ * unit, rtol=1e-9)
    np.testing.assert_allclose(moved.shapes_, once.shapes_, rtol=1e-9)
    np.testing.assert_allclose(moved.weights_, once.weights_, rtol=1e-9)
    shift = -np.log(unit) * EVENT.sum()
    assert moved.log_likelihood_ == pytest.approx(once.log_likelihood_ + shift, abs=1e-8)
    np.testing.assert_allclose(moved.covariance_, once.covariance_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        moved.predict(np.array([0.0, 20.0]) * unit), once.predict([0.0, 20.0]) * unit, rtol=1e-8
    )


def test_late_entry_rescales_too():
    once, moved = fitted(entry=ENTRY), fitted(t=T * 1e9, entry=ENTRY * 1e9)
    np.testing.assert_allclose(moved.scales_, once.scales_ * 1e9, rtol=1e-8)
    np.testing.assert_allclose(moved.shapes_, once.shapes_, rtol=1e-8)


@pytest.mark.parametrize("power", [0.5, 2.0])
def test_powers_of_time_divide_the_shapes(power, plain):
    # T^p is Weibull of shape / p, so the rule on the steepest shape has to move along.
    moved = WeibullMixture(2, max_shape=60.0 / power).fit(T**power, EVENT)
    np.testing.assert_allclose(moved.scales_, plain.scales_**power, rtol=1e-8)
    np.testing.assert_allclose(moved.shapes_, plain.shapes_ / power, rtol=1e-8)


def test_the_order_of_rows_does_not_matter(plain):
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(60)
        agree(fitted(t=T[order], event=EVENT[order]), plain)
    agree(fitted(t=T[::-1], event=EVENT[::-1]), plain)


def test_repeated_rows_are_weights():
    rng = np.random.default_rng(2)
    count = rng.integers(1, 4, 60)
    weighted = fitted(sample_weight=count)
    agree(fitted(t=np.repeat(T, count), event=np.repeat(EVENT, count)), weighted)
    assert weighted.n_units_ == count.sum()
    assert weighted.bic_ == pytest.approx(
        5 * np.log(count.sum()) - 2 * weighted.log_likelihood_, rel=1e-12
    )


def test_weights_in_another_unit_change_errors_only(plain):
    heavy = fitted(sample_weight=np.full(60, 2.5))
    np.testing.assert_allclose(heavy.parameters_, plain.parameters_, rtol=1e-8)
    np.testing.assert_allclose(heavy.covariance_, plain.covariance_ / 2.5, rtol=1e-5, atol=1e-9)
    assert heavy.log_likelihood_ == pytest.approx(2.5 * plain.log_likelihood_, rel=1e-10)


def test_rows_that_say_nothing_change_nothing(plain):
    nothing = {"t": np.r_[T, 0.0, 3.0], "event": np.r_[EVENT, False, True]}
    agree(fitted(**nothing, sample_weight=np.r_[np.ones(60), 1.0, 0.0]), plain)
    agree(fitted(entry=np.zeros(60)), plain)


def test_the_same_rows_in_any_form_give_the_same_fit(plain):
    upper = np.where(EVENT, T, np.inf)
    agree(WeibullMixture(2).fit_interval(T, upper), plain)
    agree(WeibullMixture(2).fit(Observations.from_durations(T, EVENT)), plain)
    agree(WeibullMixture(2).fit(Observations.from_durations(T, EVENT).padded(90)), plain)


def test_narrow_recording_intervals_approach_the_density(plain):
    narrow = WeibullMixture(2, resolution=1e-7, rounding="nearest").fit(T, EVENT)
    np.testing.assert_allclose(narrow.parameters_, plain.parameters_, atol=1e-6)
    shift = np.log(1e-7) * EVENT.sum()
    assert narrow.log_likelihood_ == pytest.approx(plain.log_likelihood_ + shift, abs=1e-5)


def test_labels_are_ordered_by_median_from_any_seed(plain):
    for seed in (1, 2, None, np.random.default_rng(3)):
        agree(WeibullMixture(2, random_state=seed).fit(T, EVENT), plain, rtol=1e-7)
    medians = plain.scales_ * np.log(2) ** (1 / plain.shapes_)
    assert np.all(np.diff(medians) > 0)


def test_fitting_again_forgets_the_first_fit(plain):
    model = fitted()
    model.fit(T * 2.0, EVENT)
    model.fit(T, EVENT)
    agree(model, plain)
    model.set_params(n_components=1).fit(T, EVENT)
    assert model.weights_.shape == (1,)
    agree(model, fitted(1))


def test_threads_give_the_same_answer_and_leave_the_precision_alone(plain):
    def work(i):
        before = jax.config.jax_enable_x64
        model = fitted(2 if i % 2 else 1)
        curve = model.survival([10.0, 20.0])
        assert jax.config.jax_enable_x64 == before
        return model, curve

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(8)))
    for i, (model, curve) in enumerate(found):
        agree(model, plain if i % 2 else found[0][0])
        assert curve.dtype == np.float64


@pytest.mark.parametrize("setting", [True, False])
def test_the_callers_precision_changes_nothing(setting, plain):
    with jax.enable_x64(setting):
        model = fitted()
        table = model.predict_rul([10.0])
        assert jax.config.jax_enable_x64 is setting
        assert jax.numpy.ones(1).dtype == (np.float64 if setting else np.float32)
    np.testing.assert_array_equal(model.parameters_, plain.parameters_)
    np.testing.assert_array_equal(table, plain.predict_rul([10.0]))


def test_float32_durations_are_taken_at_their_value():
    short = T.astype(np.float32)
    np.testing.assert_array_equal(
        fitted(t=short).parameters_, fitted(t=short.astype(np.float64)).parameters_
    )


def test_counting_on_a_grid_gives_the_same_fit_as_sorting():
    # Above 20,000 rows whole numbers are counted by table.
    rng = np.random.default_rng(8)
    days = np.ceil(np.where(rng.random(20_500) < 0.4, 50, 400) * rng.weibull(2.0, 20_500))
    event = rng.random(20_500) < 0.7
    whole = fitted(t=days.astype(np.int32), event=event)
    agree(fitted(t=days, event=event), whole)
    agree(fitted(t=days, event=event, sample_weight=np.ones(20_500)), whole)
    rows = Observations.from_durations(days, event)
    agree(fitted(t=rows, event=None), whole)


def test_splitting_histories_by_late_entry_leaves_the_fit(plain):
    cut = T * np.random.default_rng(0).uniform(0.2, 0.8, 60)
    split = fitted(
        1, np.r_[cut, T], np.r_[np.zeros(60, bool), EVENT], entry=np.r_[np.zeros(60), cut]
    )
    once = fitted(1)
    # Twice the rows: only counts of units differ.
    np.testing.assert_allclose(split.parameters_, once.parameters_, rtol=1e-8)
    np.testing.assert_allclose(split.covariance_, once.covariance_, rtol=1e-6)
    assert split.log_likelihood_ == pytest.approx(once.log_likelihood_, rel=1e-12)
