"""What nobody should hand to a regression, and what must hold after it: one clear error."""

import warnings

import numpy as np
import pandas as pd
import pytest

from survjax import (
    AcceleratedLifetime,
    CoxPH,
    DeepWeibullMixture,
    FitWarning,
    MixtureRegression,
    NoFiniteMaximum,
    ScaledHazard,
    WeibullMixture,
    survival_target,
)
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.violations import open_parameters


@pytest.fixture(scope="module")
def fleet():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    lives = 20.0 * np.exp(-0.5 * x[:, 0]) * rng.weibull(2.0, 120)
    ends = rng.uniform(5.0, 60.0, 120)
    return x, np.column_stack([np.minimum(lives, ends), lives <= ends])


SMALL = {"n_members": 2, "max_epochs": 3}
MODELS = {
    "accelerated": AcceleratedLifetime(),
    "scaled": ScaledHazard(),
    "two steps": ScaledHazard(joint=False),
    "mixture": MixtureRegression(1, on=["scale"]),
    "cox": CoxPH(),
    "deep": DeepWeibullMixture(1, **SMALL),
}


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        *[
            (kind, {name: value}, f"{name} must be")
            for kind in (AcceleratedLifetime, ScaledHazard, MixtureRegression, CoxPH)
            for name, values in {
                # Infinity "converged" where the iteration began.
                "tol": (0.0, -1.0, np.inf, np.nan, "small", None),
                "max_iter": (0, 1.5, "many", None, True),
                "penalty": (True, [1.0], np.array([1.0, 2.0])),
            }.items()
            for value in values
        ],
        *[
            (kind, {"l1_ratio": v}, "l1_ratio must lie")
            for kind in (CoxPH, ScaledHazard)
            for v in ("half", None, [0.5], True, np.nan)
        ],
        (CoxPH, {"robust": "yes"}, "robust must be True or False"),
        (ScaledHazard, {"joint": "no"}, "joint must be True or False"),
        (ScaledHazard, {"center": None}, "center must be True or False"),
        (ScaledHazard, {"baseline": WeibullMixture}, "baseline must be the name"),
        (AcceleratedLifetime, {"family": ["weibull"]}, "family must be the name of a family"),
        (AcceleratedLifetime, {"shape_on": 1.5}, "shape_on must list"),
        (MixtureRegression, {"on": None}, "on must be a list"),
        (MixtureRegression, {"n_starts": 0}, "n_starts must be"),
        (MixtureRegression, {"n_starts": 1.5}, "n_starts must be"),
        (MixtureRegression, {"max_shape": "a"}, "max_shape must be"),
        (MixtureRegression, {"min_component_weight": np.nan}, "min_component_weight must be"),
        (MixtureRegression, {"random_state": "a"}, "random_state must be"),
        (DeepWeibullMixture, {"on": None}, "on must be a list"),
        (DeepWeibullMixture, {"validation_fraction": "a"}, "validation_fraction must lie"),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_the_fit(fleet, model, settings, message):
    with pytest.raises(ValueError, match=message):
        model(**settings).fit(*fleet)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "deep")) for n in MODELS]
)
def test_a_fit_that_fails_leaves_the_model_as_it_was(fleet, name):
    x, y = fleet
    names = pd.DataFrame(x, columns=["load", "heat"])
    model = MODELS[name].fit(names, y)
    before = model.predict_survival(names[:3], [5.0, 9.0])
    with pytest.raises(NoFiniteMaximum):
        # The names were those of this fit, the coefficients those of the one before.
        model.fit(names.rename(columns={"load": "heat", "heat": "load"}), y * [1.0, 0.0])
    with pytest.raises(NoFiniteMaximum):
        model.fit(x[:, :1], y * [1.0, 0.0])
    assert model.feature_names_in_.tolist() == ["load", "heat"]
    pd.testing.assert_frame_equal(model.predict_survival(names[:3], [5.0, 9.0]), before)


@pytest.mark.parametrize("kind", [AcceleratedLifetime, ScaledHazard, MixtureRegression])
def test_a_climb_cut_short_says_to_go_on(fleet, kind):
    with pytest.warns(FitWarning, match="after 1 iterations: raise max_iter"):
        kind(max_iter=1, **({"n_components": 1} if kind is MixtureRegression else {})).fit(*fleet)


@pytest.mark.parametrize(
    "model",
    [
        AcceleratedLifetime(max_iter=1),
        ScaledHazard(max_iter=1),
        ScaledHazard(joint=False, max_iter=1),
        CoxPH(max_iter=1),
    ],
    ids=["accelerated", "scaled", "two steps", "cox"],
)
def test_a_warning_names_the_line_that_called(fleet, model):
    with pytest.warns(FitWarning) as caught:
        model.fit(*fleet)
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize(
    "model",
    [
        MixtureRegression(2, n_starts=1),
        pytest.param(ScaledHazard(WeibullMixture(2)), marks=pytest.mark.slow),
        AcceleratedLifetime(),
    ],
)
def test_a_fit_without_errors_has_no_bounds(fleet, model):
    with pytest.warns(FitWarning, match="no proper maximum"):
        model.set_params(max_iter=1).fit(*fleet)
    assert np.isnan(model.covariance_).all()
    table = model.predict_rul(fleet[0][:3], ages=2.0)
    bounds = [name for name in table if "_" in name]
    assert len(bounds) == 8 and table[bounds].isna().all(axis=None)
    assert table[["mean", "q10", "q50", "q90"]].notna().all(axis=None)
    assert model.predict_interval(fleet[0][:3]).isna().all(axis=None)


@pytest.mark.parametrize("name", MODELS)
def test_a_time_asked_for_twice_has_two_columns(fleet, name):
    x, y = fleet
    model = MODELS[name].fit(x, y)
    times = [5.0, 1.0, 5.0]
    found = model.predict_survival(x[:2], times)
    alone = model.predict_survival(x[:2], [5.0])
    for curve in ("survival", "lower", "upper"):
        assert found[curve].columns.tolist() == times
        np.testing.assert_array_equal(
            found[curve].to_numpy()[:, [0, 2]], alone[curve].to_numpy() * [1, 1]
        )
    plain = model.predict_survival(x[:2], times, level=None)
    np.testing.assert_array_equal(plain, found["survival"])


@pytest.mark.parametrize("name", ["accelerated", "scaled", "two steps", "mixture", "deep"])
@pytest.mark.parametrize("unit", [None, np.arange(6)])
def test_a_unit_of_no_weight_adds_nothing_however_impossible(fleet, name, unit):
    x, y = fleet
    model = MODELS[name].fit(x, y)
    far = np.concatenate([x[:5], [[1e6, 0.0]]])
    weight = np.array([1.0, 1.0, 2.0, 1.0, 1.0, 0.0])
    found = model.score(far, y[:6], sample_weight=weight, unit=unit)
    kept = None if unit is None else unit[:5]
    assert found == pytest.approx(
        model.score(x[:5], y[:5], sample_weight=weight[:5], unit=kept), rel=1e-12
    )


def test_predictions_far_from_the_data_warn_of_nothing(fleet):
    x, y = fleet
    model = CoxPH().fit(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        far = np.array([[1e5, 0.0], [-1e5, 0.0]])
        assert model.failure_probability(far, horizon=5.0).to_numpy()[:, 0].tolist() == [1.0, 0.0]
        assert model.predict_survival(far, [5.0], level=None).to_numpy()[:, 0].tolist() == [
            0.0,
            1.0,
        ]


@pytest.mark.parametrize("model", [MixtureRegression(1), DeepWeibullMixture(1, **SMALL)])
def test_nothing_fails_at_age_zero(fleet, model):
    model.fit(*fleet)
    with pytest.raises(
        ValueError, match="ages must be positive where units failed, got 0 in row 1"
    ):
        model.membership(fleet[0][:2], ages=[1.0, 0.0], event_observed=[1, 1])


def _frame(y, **more):
    return pd.DataFrame({"life": y[:, 0], "failed": y[:, 1] > 0} | more)


@pytest.mark.parametrize("model", [AcceleratedLifetime(), CoxPH()])
@pytest.mark.parametrize(
    ("target", "message"),
    [
        # What was masked was fitted.
        (lambda y: np.ma.masked_array(y, mask=y < 3.0 * (y > 1.0)), "y has masked entries.*row"),
        (lambda y: _frame(y, failed=[None, *(y[1:, 1] > 0)]), "failed in y must not be missing.*0"),
        (
            lambda y: _frame(y, failed=pd.array([None, *(y[1:, 1] > 0)], dtype="boolean")),
            "failed in y must not be missing.*row 0",
        ),
        (lambda y: _frame(y, life=[np.nan, *y[1:, 0]]), "life in y must not be missing.*row 0"),
        (lambda y: pd.DataFrame(y, columns=["t", "t"]), "several columns of y have one name: 't'"),
        # Which of two columns of zeros and ones is the event, nobody can say.
        (lambda y: pd.DataFrame({"t": 1, "e": y[:, 1].astype(int)}), "one boolean field"),
    ],
)
def test_targets_that_are_none_get_one_clear_error(fleet, model, target, message):
    x, y = fleet
    with pytest.raises(ValueError, match=message):
        model.fit(x, target(y))


def test_a_target_may_have_names_in_two_levels(fleet):
    x, y = fleet
    names = pd.MultiIndex.from_tuples([("seen", "t"), ("seen", "e")])
    two = AcceleratedLifetime().fit(x, pd.DataFrame(y, columns=names))
    np.testing.assert_array_equal(two.coef_, AcceleratedLifetime().fit(x, y).coef_)


@pytest.mark.parametrize("model", [AcceleratedLifetime(), CoxPH()])
@pytest.mark.parametrize(
    ("table", "message"),
    [
        (lambda x: pytest.importorskip("polars").DataFrame(x).lazy(), "LazyFrame: collect it"),
        (lambda x: {"a": x[:, 0]}, "got a dict: make a DataFrame"),
        (lambda x: [{"a": a} for a in x[:, 0]], "got a list of dict: make a DataFrame"),
        (lambda x: pd.DataFrame(x).to_records(index=False), "got a recarray: make a DataFrame"),
    ],
)
def test_columns_by_name_that_are_no_table_are_told(fleet, model, table, message):
    x, y = fleet
    with pytest.raises(ValueError, match=message):
        model.fit(table(x), y)


@pytest.mark.parametrize("model", [AcceleratedLifetime(), ScaledHazard(), CoxPH()])
@pytest.mark.parametrize("gone", [None, np.nan, pd.NA])
def test_units_without_a_name_are_refused(fleet, model, gone):
    # All of them were one unit, if there was but one row of them.
    unit = np.array([gone, *range(119)], dtype=object)
    with pytest.raises(ValueError, match=r"unit is missing .* row 0"):
        model.fit(*fleet, unit=unit)


def test_one_cluster_has_no_errors(fleet):
    with pytest.raises(ValueError, match="one cluster, 7: standard errors by cluster need several"):
        CoxPH().fit(*fleet, cluster=np.full(120, 7))


def test_entry_is_one_number_for_each_unit(fleet):
    with pytest.raises(ValueError, match="entry must be one-dimensional, got a float"):
        CoxPH(penalty="cv").fit(*fleet, entry=0.0)


def test_known_components_are_numbers(fleet):
    x, y = fleet
    with pytest.raises(ValueError, match="component must be numbers, got text"):
        MixtureRegression(2).fit(x, y, component=["a"] * 120)


def test_weights_that_are_no_numbers_are_told_by_every_model(fleet):
    x, y = fleet
    for model in MODELS.values():
        with pytest.raises(ValueError, match="sample_weight must be numbers, got text"):
            model.fit(x, y, sample_weight=["a"] * 120)


def test_effective_ages_check_the_past(fleet):
    model = AcceleratedLifetime().fit(*fleet)
    past = {"unit": ["a", "a"], "entry": [0.0, 5.0]}
    with pytest.raises(ValueError, match="durations must have one entry"):
        model.effective_ages(fleet[0][:3], [5.0, 9.0], **past)
    with pytest.raises(ValueError, match="entry must be below the unit's duration"):
        model.effective_ages(fleet[0][:2], [5.0, 4.0], **past)
    with pytest.raises(ValueError, match="entry must be numbers, got nan"):
        model.effective_ages(fleet[0][:2], [5.0, 9.0], unit=["a", "a"], entry=[0.0, np.nan])


def test_advice_does_not_ask_for_a_penalty_that_is_there():
    rng = np.random.default_rng(1)
    x, lives = rng.normal(size=(10, 20)), rng.weibull(2.0, 10)
    with pytest.warns(FitWarning, match="explain the lives exactly") as caught:
        AcceleratedLifetime(penalty=0.1).fit(x, survival_target(lives, lives))
    assert "set penalty" not in str(caught[0].message)


@pytest.mark.parametrize("kind", [ScaledHazard, AcceleratedLifetime, CoxPH])
@pytest.mark.parametrize("count", [1, 3])
def test_an_effect_without_an_end_is_named_however_few_units_it_has(fleet, kind, count):
    x, y = fleet
    alone = np.zeros(120)
    alone[np.flatnonzero(y[:, 1] == 0)[:count]] = 1.0
    table = pd.DataFrame({"load": x[:, 0], "rare": alone})
    with pytest.warns(FitWarning, match="rare"):
        model = kind().fit(table, y)
    assert not model.converged_


def test_a_parameter_with_next_to_no_curvature_is_open():
    # Its curvature was taken for rounding beside that of the others, and its error for none.
    curvature = np.array([1000.0, 1e-13, 900.0])
    zero = np.zeros(3)
    found = LocalMaximum(zero, 0.0, zero, -np.diag(curvature), 0.0, 3, 0)
    assert open_parameters(found, np.zeros(3, bool), np.ones(3)).tolist() == [1]
