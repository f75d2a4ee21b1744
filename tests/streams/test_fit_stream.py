"""A fit to a stream is the fit to the same rows in memory, and needs few passes."""

import numpy as np
import pyarrow as pa
import pytest

import survjax
from survjax import LifetimeModel, WeibullMixture, fit_stream
from survjax._core import parallel
from survjax.estimators.streams import fit_stream as module
from survjax.lifetimes import Weibull, ZeroInflated
from tests.streams.conftest import cut


@pytest.fixture
def passes(monkeypatch):
    """The numbers of the passes that were made."""
    seen = set()
    monkeypatch.setattr(module, "_shown", lambda progress: lambda number, n: seen.add(number))
    return seen


def in_standard_errors(ours, theirs):
    return np.abs(ours.parameters_ - theirs.parameters_) / np.sqrt(np.diag(theirs.covariance_))


MODELS = [
    (LifetimeModel(), 2),
    (LifetimeModel("lognormal"), 3),
    (WeibullMixture(2), 3),
]


@pytest.mark.parametrize("once", [True, False], ids=["once", "again"])
@pytest.mark.parametrize(("model", "most"), MODELS, ids=["weibull", "lognormal", "two"])
def test_the_optimum_is_that_of_the_fit_in_memory(
    model, most, once, fleet, batches, little_memory, passes, request
):
    if not once:
        request.getfixturevalue("read_again")
    theirs = type(model)(**model.get_params()).fit(fleet["age"], fleet["failed"])
    ours = fit_stream(batches, duration="age", event="failed", model=model)
    assert in_standard_errors(ours, theirs).max() < 1e-9
    assert ours.log_likelihood_ == pytest.approx(theirs.log_likelihood_, rel=1e-13)
    np.testing.assert_allclose(ours.covariance_, theirs.covariance_, rtol=1e-6, atol=1e-14)
    assert (ours.n_units_, ours.n_events_) == (theirs.n_units_, theirs.n_events_)
    assert ours.converged_ and ours.certificate_.decrement <= 1e-9
    assert len(passes) == 1 if once else 1 < len(passes) <= most
    assert not hasattr(model, "lifetime_")


@pytest.mark.parametrize("model", [LifetimeModel(), WeibullMixture(2)], ids=["weibull", "two"])
def test_late_entry_and_weights_count_as_in_memory(model, fleet, batches, little_memory):
    theirs = type(model)(**model.get_params()).fit(
        fleet["age"], fleet["failed"], entry=fleet["entry"], sample_weight=fleet["n"]
    )
    ours = fit_stream(
        batches, duration="age", event="failed", entry="entry", weight="n", model=model
    )
    assert in_standard_errors(ours, theirs).max() < 1e-9
    assert (ours.n_units_, ours.n_events_) == (theirs.n_units_, theirs.n_events_)
    assert ours.bic_ == pytest.approx(theirs.bic_, rel=1e-13)


def test_neither_batches_nor_threads_change_a_digit(fleet, little_memory, monkeypatch):
    def fitted(size):
        return fit_stream(
            cut(fleet, size), duration="age", event="failed", weight="n", model=WeibullMixture(2)
        )

    one = fitted(1000)
    for size, threads in ((777, 1), (20_000, 3)):
        monkeypatch.setattr(parallel, "n_threads", lambda threads=threads: threads)
        other = fitted(size)
        np.testing.assert_array_equal(other.parameters_, one.parameters_)
        np.testing.assert_array_equal(other.covariance_, one.covariance_)
        assert other.log_likelihood_ == one.log_likelihood_


def test_what_is_too_narrow_for_the_sums_of_one_pass_is_read_again(little_memory, passes):
    rng = np.random.default_rng(4)
    life = np.concatenate([40 * rng.weibull(0.8, 10_000), 20 * rng.weibull(45.0, 10_000)])
    fleet = {"age": rng.permutation(life)}
    theirs = WeibullMixture(2).fit(fleet["age"])
    ours = fit_stream(cut(fleet, 1000), duration="age", model=WeibullMixture(2))
    assert in_standard_errors(ours, theirs).max() < 1e-9
    assert len(passes) > 1


def test_the_order_of_the_rows_changes_rounding_only(batches, little_memory):
    how = {"duration": "age", "event": "failed", "model": WeibullMixture(2)}
    one, other = fit_stream(batches, **how), fit_stream(batches[::-1], **how)
    assert in_standard_errors(other, one).max() < 1e-11
    assert other.log_likelihood_ == pytest.approx(one.log_likelihood_, rel=1e-14)


@pytest.mark.parametrize("rounded", [np.ceil, lambda t: np.round(t + 0.05, 1)])
def test_ages_that_repeat_are_counted_in_one_pass(rounded, fleet, little_memory, passes):
    whole = {**fleet, "age": rounded(fleet["age"])}
    theirs = LifetimeModel().fit(whole["age"], whole["failed"])
    ours = fit_stream(iter(cut(whole, 500)), duration="age", event="failed")
    np.testing.assert_allclose(ours.parameters_, theirs.parameters_, rtol=1e-12)
    assert ours.n_events_ == theirs.n_events_ and passes == {1}
    assert ours._rows.n_rows < 1300


def test_rounded_durations_are_intervals_as_in_memory(fleet, monkeypatch, little_memory, passes):
    age = np.ceil(fleet["age"] / 0.004) * 0.004
    model = LifetimeModel(resolution=0.004)
    theirs = LifetimeModel(resolution=0.004).fit(age, fleet["failed"])
    ours = fit_stream(cut({**fleet, "age": age}, 3000), duration="age", event="failed", model=model)
    assert len(passes) > 1
    assert in_standard_errors(ours, theirs).max() < 1e-9
    with pytest.raises(ValueError, match="resolution='auto' needs all durations in memory"):
        fit_stream(
            cut({**fleet, "age": age}, 3000), duration="age", event="failed",
            model=LifetimeModel(resolution="auto"),
        )  # fmt: skip


@pytest.mark.slow
def test_units_that_were_dead_on_arrival_count(fleet, little_memory):
    age = np.where(np.arange(20_000) % 50 == 0, 0.0, fleet["age"])
    failed = fleet["failed"] | (age == 0)
    model = LifetimeModel(ZeroInflated(Weibull(0.0, 0.0), 0.0))
    theirs = LifetimeModel(ZeroInflated(Weibull(0.0, 0.0), 0.0)).fit(age, failed)
    ours = fit_stream(
        cut({"age": age, "failed": failed}, 4000), duration="age", event="failed", model=model
    )
    assert in_standard_errors(ours, theirs).max() < 1e-9


def test_the_answer_is_an_ordinary_estimator(fleet, batches, little_memory, tmp_path):
    model = fit_stream(
        batches, duration="age", event="failed", model=WeibullMixture("bic", max_components=2)
    )
    theirs = WeibullMixture("bic", max_components=2).fit(fleet["age"], fleet["failed"])
    assert model.weights_.size == theirs.weights_.size
    np.testing.assert_allclose(
        model.selection_["bic"], theirs.selection_["bic"], rtol=1e-12, atol=0
    )
    np.testing.assert_allclose(model.selection_["icl"], theirs.selection_["icl"], rtol=1e-5)
    ours, table = model.predict_rul([0.0, 10.0]), model.summary()
    np.testing.assert_allclose(ours, theirs.predict_rul([0.0, 10.0]), rtol=1e-6)
    np.testing.assert_allclose(table["upper"], theirs.summary()["upper"], rtol=1e-4)
    assert model.history_["log_likelihood"].iloc[-1] == pytest.approx(
        model.log_likelihood_, rel=1e-5
    )
    model.save(tmp_path / "model.json")
    again = survjax.load(tmp_path / "model.json")
    np.testing.assert_array_equal(again.parameters_, model.parameters_)


def test_without_events_every_row_has_failed_and_a_forgotten_column_is_named(batches):
    with pytest.warns(UserWarning, match="did you mean event='failed'"):
        model = fit_stream(batches, duration="age")
    assert model.n_events_ == model.n_units_ == 20_000


def test_a_stream_without_failures_has_no_answer(fleet, little_memory):
    running = [
        pa.record_batch({"age": part, "failed": np.zeros(1000, bool)})
        for part in np.split(fleet["age"], 20)
    ]
    with pytest.raises(survjax.NoFiniteMaximum, match="none of the 20,000 units has failed"):
        fit_stream(running, duration="age", event="failed")
