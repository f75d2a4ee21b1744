"""Hostile data: each fit ends in a right answer or in a plain word, never in nonsense."""

import warnings

import jax
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survjax import FitWarning, NoFiniteMaximum, Observations, WeibullMixture
from survjax._core.precision import double_precision
from survjax.likelihood.rows import log_likelihood

RNG = np.random.default_rng(0)
LIFE = np.round(np.r_[5 * RNG.weibull(0.8, 20), 40 * RNG.weibull(3.0, 30)] + 0.5, 1)
EVENT = RNG.random(50) < 0.8
SEEN = EVENT[:-1].tolist()
THIRD = np.arange(50) == 3
total = jax.jit(log_likelihood)


@double_precision
def check(model, rows):
    """What must hold of any fit that was handed back."""
    assert np.all(np.isfinite(model.parameters_)) and np.isfinite(model.log_likelihood_)
    assert np.isclose(model.weights_.sum(), 1.0)
    value = float(total(model.lifetime_, rows.padded(64)))
    assert value == pytest.approx(model.log_likelihood_, rel=1e-9, abs=1e-9)
    if model.converged_:
        assert model.certificate_.violations == ()
        assert model.weights_.size == 1 or model.shapes_.max() <= 60.0
        assert np.all(np.isfinite(model.covariance_))
        assert np.all(np.linalg.eigvalsh(model.covariance_) > 0)
    else:
        assert model.certificate_.violations
        assert np.isnan(model.covariance_).all()


def attempt(k, t, event, **kwargs):
    """A fit, or None where the user was told that there is none."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            model = WeibullMixture(k, n_starts=8).fit(t, event, **kwargs)
        except NoFiniteMaximum as error:
            assert len(str(error)) > 40
            return None
    assert all(issubclass(w.category, FitWarning) for w in told), [str(w.message) for w in told]
    assert model.converged_ or any("no interior maximum" in str(w.message) for w in told)
    check(model, Observations.from_durations(t, event, **kwargs))
    return model


TIMES = st.one_of(
    st.floats(1e-12, 1e12),
    st.integers(1, 6).map(float),
    st.floats(0.9, 1.1),
    st.sampled_from([1.0, 1.0 + 1e-9, 1e-300, 1e300]),
)


@settings(max_examples=40)
@given(data=st.lists(st.tuples(TIMES, st.booleans()), min_size=1, max_size=40))
@pytest.mark.parametrize("k", [1, 2])
def test_any_rows_end_in_a_fit_or_in_a_word(k, data):
    t, event = (np.array(column) for column in zip(*data, strict=True))
    attempt(k, t, event)


@settings(max_examples=15)
@given(
    data=st.lists(
        st.tuples(TIMES, st.booleans(), st.floats(0.0, 5.0)), min_size=3, max_size=40
    ).filter(lambda rows: any(w > 0 for *_, w in rows))
)
def test_any_weights_do_too(data):
    t, event, weight = (np.array(column) for column in zip(*data, strict=True))
    one = attempt(1, t, event, sample_weight=weight)
    two = attempt(2, t, event, sample_weight=weight)
    if one is not None and two is not None and two.converged_:
        assert two.log_likelihood_ >= one.log_likelihood_ - 1e-7 * (1 + abs(one.log_likelihood_))


NO_MAXIMUM = {
    "nothing failed": ([3.0, 5.0, 9.0], [0, 0, 0]),
    "one failure": ([3.0], [1]),
    "one failure at the end": ([3.0, 5.0, 9.0], [0, 0, 1]),
    "failures share one time": ([5.0] * 6 + [2.0, 3.0], [1] * 6 + [0, 0]),
    "equal": ([4.0] * 30, [1] * 30),
    "all at zero": ([0.0, 0.0], [0, 0]),
}


@pytest.mark.parametrize("k", [1, 2, "bic"])
@pytest.mark.parametrize("case", NO_MAXIMUM)
def test_data_without_a_fit_are_told_so(case, k):
    with pytest.raises(NoFiniteMaximum):
        WeibullMixture(k).fit(*NO_MAXIMUM[case])


def test_a_failure_before_longer_lives_has_a_fit():
    model = WeibullMixture(1).fit([3.0, 5.0, 9.0], [1, 0, 0])
    # One failure: the shape is open but finite, and its error says how little is known.
    assert model.converged_ == (model.certificate_.violations == ())
    assert np.all(np.isfinite(model.parameters_))


@pytest.mark.parametrize("k", [4, 6])
def test_too_many_components_for_the_data_are_told(k):
    # Three still have an interior maximum on these six: pairs of neighbors.
    with pytest.warns(FitWarning, match="no interior maximum|share their time"):
        model = WeibullMixture(k).fit([1.0, 2.0, 4.0, 8.0, 16.0, 17.0])
    check(model, Observations.from_durations([1.0, 2.0, 4.0, 8.0, 16.0, 17.0]))


GOOD = {
    "lists": (LIFE.tolist(), EVENT.tolist()),
    "tuples": (tuple(LIFE), tuple(EVENT)),
    "series": (pd.Series(LIFE, index=range(100, 150)), pd.Series(EVENT)),
    "nullable": (pd.Series(LIFE, dtype="Float64"), pd.Series(EVENT, dtype="boolean")),
    "polars": (pl.Series(LIFE), pl.Series(EVENT)),
    "arrow": (pa.array(LIFE), pa.array(EVENT)),
    "chunked arrow": (pa.chunked_array([LIFE[:20], LIFE[20:]]), pa.chunked_array([EVENT])),
    "integer events": (LIFE, EVENT.astype(np.uint8)),
    "float events": (LIFE, EVENT.astype(np.float32)),
    "objects": (LIFE.astype(object), EVENT.astype(object)),
    "masked without masks": (np.ma.array(LIFE), EVENT),
    "big endian": (LIFE.astype(">f8"), EVENT),
    "strided": (np.repeat(LIFE, 2)[::2], np.repeat(EVENT, 2)[::2]),
    "read only": (np.frombuffer(LIFE.tobytes()), EVENT),
    "jax": (jax.numpy.asarray(np.round(LIFE * 2) / 2), EVENT),
}


@pytest.fixture(scope="module")
def plain():
    return WeibullMixture(1).fit(LIFE, EVENT)


@pytest.mark.parametrize("form", GOOD)
def test_every_form_of_a_column_gives_the_same_fit(form, plain):
    durations, event = GOOD[form]
    model = WeibullMixture(1).fit(durations, event)
    expected = WeibullMixture(1).fit(np.round(LIFE * 2) / 2, EVENT) if form == "jax" else plain
    np.testing.assert_array_equal(model.parameters_, expected.parameters_)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int64, np.uint64, np.float16])
def test_numbers_of_every_width_are_taken_at_their_value(kind):
    whole = np.ceil(LIFE).astype(kind)
    ours, exact = (WeibullMixture(1).fit(t, EVENT) for t in (whole, whole.astype(float)))
    np.testing.assert_array_equal(ours.parameters_, exact.parameters_)


def changed(value, row=3):
    """The durations with one entry replaced."""
    return [*LIFE[:row].tolist(), value, *LIFE[row + 1 :].tolist()]


BAD_DURATIONS = {
    "NaN": (changed(np.nan), "durations must be numbers, got nan in row 3 .1 such row."),
    "infinite": (changed(np.inf), "durations must be finite, got inf in row 3"),
    "negative": (changed(-2.0), "durations must be at least zero, got -2 in row 3"),
    "failed at zero": (changed(0.0), "durations of failed units must be positive, got 0 in row 3"),
    "text": ([str(v) for v in LIFE], "durations must be numbers, got text"),
    "one text": (np.array(changed("x"), object), "durations must be numbers, got 'x' in row 3"),
    "None": (changed(None), "durations must be numbers, got nan in row 3"),
    "NA": (pd.Series(changed(pd.NA), dtype="Float64"), "must be numbers, got nan in row 3"),
    "two columns": (LIFE.reshape(25, 2), "durations must be one-dimensional, got .* .25, 2."),
    "a number": (3.0, "durations must be one-dimensional"),
    "empty": ([], "durations is empty"),
    "booleans": (EVENT, "durations must be numbers, got booleans: are .* and events swapped"),
    "dates": (np.arange(50).astype("M8[D]"), "durations must be numbers, got dates"),
    "spans": (np.arange(50).astype("m8[D]"), "durations must be numbers, got time differences"),
    "complex": (LIFE * 1j, "durations must be numbers"),
    "masked": (np.ma.array(LIFE, mask=np.arange(50) == 3), "masked entries, the first in row 3"),
    "nested": ([[1.0], [2.0]], "durations must be one-dimensional"),
    "ragged": ([[1.0], [2.0, 3.0]], "durations must hold one value for each unit, got nested"),
    "generator": ((v for v in LIFE), "one-dimensional, got a generator: make a list of the"),
    "too large": (changed(10**400), "durations must be numbers: int too large"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_DURATIONS)
def test_durations_that_cannot_be_get_one_clear_error(case):
    durations, message = BAD_DURATIONS[case]
    event = np.ones(50, bool) if case == "failed at zero" else EVENT
    with pytest.raises(ValueError, match=message):
        WeibullMixture(1).fit(durations, event)


BAD_COLUMNS = {
    "short events": ({"event_observed": EVENT[:9]}, "event_observed must have one entry for each"),
    "generator": ({"event_observed": (v for v in EVENT)}, "got a generator: make a list of the"),
    "other codes": ({"event_observed": EVENT + 1}, "event_observed must be True or False"),
    "missing event": ({"event_observed": np.where(EVENT, 1.0, np.nan)}, "event_observed must be"),
    "text events": ({"event_observed": EVENT.astype(str)}, "True or False .*got 'False' in row 0"),
    "one text event": ({"event_observed": [*SEEN, "no"]}, "must be True or False"),
    "event NA": ({"event_observed": pd.array([*SEEN, pd.NA], "boolean")}, "got nan in row 49"),
    "event null": ({"event_observed": pl.Series([*SEEN, None])}, "got nan in row 49"),
    "masked events": ({"event_observed": np.ma.array(EVENT, mask=THIRD)}, "in row 3"),
    "spans": ({"event_observed": np.ones(50, "m8[D]")}, "event_observed must be numbers, got time"),
    "late entry": ({"entry": LIFE}, "entry must be below the unit's duration"),
    "negative entry": ({"entry": LIFE - 1e3}, "entry must be at least zero"),
    "missing entry": ({"entry": LIFE * np.nan}, "entry must be numbers"),
    "short entry": ({"entry": [0.0]}, "entry must have one entry for each of the 50"),
    "negative weight": ({"sample_weight": -np.ones(50)}, "sample_weight must be finite and"),
    "missing weight": ({"sample_weight": np.full(50, np.nan)}, "sample_weight must be finite and"),
    "no weight": ({"sample_weight": np.zeros(50)}, "sample_weight is zero in all 50 rows"),
    "endless weight": ({"sample_weight": np.full(50, 1e307)}, "must have a finite sum"),
    "short weight": ({"sample_weight": [1.0]}, "sample_weight must have one entry"),
}  # fmt: skip


def test_many_whole_durations_do_not_hide_a_mask():
    durations = np.ma.array(np.tile(np.arange(1, 101), 300), mask=np.arange(30_000) == 7)
    with pytest.raises(ValueError, match="durations has masked entries, the first in row 7"):
        WeibullMixture(1).fit(durations)


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_other_columns_that_cannot_be_get_one_clear_error(case):
    columns, message = BAD_COLUMNS[case]
    with pytest.raises(ValueError, match=message):
        WeibullMixture(1).fit(LIFE, **columns)


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_components", 0), ("n_components", 2.5), ("n_components", "best"), ("n_components", True),
     ("n_starts", 0), ("max_iter", 1.5), ("max_components", 0), ("tol", 0.0), ("tol", np.nan),
     ("tol", "small"), ("tol", 10**400), ("max_shape", -1.0), ("max_shape", None),
     ("min_component_weight", "two"), ("min_component_weight", -1.0), ("max_iter", True),
     ("random_state", "a"), ("random_state", -1), ("rounding", "round"), ("resolution", -1.0),
     ("resolution", "day"), ("n_components", [2])],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused_at_the_fit(name, value):
    model = WeibullMixture(1).set_params(**{name: value})
    with pytest.raises(ValueError, match=name):
        model.fit(LIFE, EVENT)


def test_nothing_of_the_users_is_altered():
    given = {
        "durations": LIFE.copy(), "event_observed": EVENT.copy(),
        "entry": 0.1 * LIFE, "sample_weight": np.ones(50),
    }  # fmt: skip
    before = {name: value.copy() for name, value in given.items()}
    for value in given.values():
        value.setflags(write=False)
    model = WeibullMixture(1).fit(**given)
    model.predict_rul(given["durations"])
    model.membership(given["durations"], given["event_observed"])
    model.score(**given)
    for name, value in given.items():
        np.testing.assert_array_equal(value, before[name])
