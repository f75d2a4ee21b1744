"""Accelerated lifetimes against R's survreg, and against what must not matter."""

import re

import numpy as np
import pandas as pd
import pytest

from survjax import AcceleratedLifetime, survival_target
from tests.references import results

FAMILIES = ("weibull", "lognormal", "loglogistic", "exponential")
CASES = [
    ("lung_cov", "full", FAMILIES),
    ("veteran", "full", ("weibull", "lognormal", "loglogistic")),
    ("capacitor", "tv", ("weibull", "loglogistic")),
    ("superalloy", "quad", ("weibull", "lognormal")),
    ("bcdeter", "trt", ("weibull", "lognormal", "loglogistic")),
    ("tantalum", "full", ("weibull",)),
    ("c_botulinum", "cov", ("weibull",)),
    ("nh4_left", "week", ("lognormal",)),
]
# All others of R's fits with covariates: exact, right- and left-censored, intervals, counts.
MORE = [
    ("lung", "sex", FAMILIES),
    ("veteran", "full", ("exponential",)),
    ("ovarian", "cov", FAMILIES),
    ("ovarian", "doc", FAMILIES),
    ("rats", "cov", FAMILIES),
    ("pbc", "full", FAMILIES),
    ("mgus2_death", "full", FAMILIES),
    ("capacitor", "tv", ("lognormal", "exponential")),
    ("imotor", "arr", FAMILIES),
    ("ifluid", "ip", FAMILIES),
    ("hirose", "ip", FAMILIES),
    ("motors", "arr", FAMILIES),
    ("bleed", "base", FAMILIES),
    ("icdevice2", "arr", FAMILIES),
    ("zelencap", "gt", FAMILIES),
    ("tantalum", "full", ("lognormal", "loglogistic", "exponential")),
    ("superalloy", "quad", ("loglogistic", "exponential")),
    ("bcdeter", "trt", ("exponential",)),
    ("diabetes_interval", "gender", FAMILIES),
    ("c_botulinum", "cov", ("lognormal", "loglogistic", "exponential")),
    ("nh4_left", "week", ("weibull", "loglogistic", "exponential")),
    ("rossi", "full", FAMILIES),
]


def covariates(table, formula):
    """Columns of R's formula, terms in I() computed."""
    columns = {}
    for term in formula.split("~")[1].split("+"):
        term = term.strip()
        inside = re.sub(r"^I\((.*)\)$", r"\1", term).replace("^", "**")
        named = {name: table[name] for name in table if str(name).isidentifier()}
        columns[term] = (
            table[term] if term in table else eval(inside, {"log": np.log, "exp": np.exp}, named)
        )
    return pd.DataFrame(columns)


def target(table, formula):
    names = [("lower", "upper"), ("left", "right"), ("lower_bound_days", "upper_bound_days")]
    for low, high in names:
        if {low, high} <= set(table):
            return survival_target(table[low].fillna(0.0), table[high].fillna(np.inf))
    if "NH4.mg.per.L" in table:
        found = table["NH4.mg.per.L"]
        return survival_target(found.where(table["cens"] == 0, 0.0), found)
    first, second = re.match(r"Surv\(([^,]+), ([^,)]+)", formula).groups()
    return table[[first, second]].to_numpy(float)


@pytest.mark.parametrize(
    ("name", "model", "family"),
    [
        pytest.param(name, model, family, marks=[pytest.mark.slow] * slow)
        for cases, slow in ((CASES, False), (MORE, True))
        for name, model, families in cases
        for family in families
    ],
)
def test_coefficients_errors_and_likelihood_are_those_of_survreg(real_data, name, model, family):
    case = results(real_data, "r_survreg")[name]
    expected = case["fits"][f"{model}:{family}"]
    table = pd.read_csv(real_data / case["data"])
    x, y = covariates(table, expected["formula"]), target(table, expected["formula"])
    weight = table.get("count")
    fitted = AcceleratedLifetime(family).fit(x, y, sample_weight=weight)
    coefficients = [*expected["coef"].values()]
    if family != "exponential":
        coefficients.append(-expected["log_scale"])  # log shape = -log R's scale
    error = np.array([*expected["se"].values()])[: len(coefficients)]
    assert np.max(np.abs(fitted.parameters_ - coefficients) / error) < 1e-6
    np.testing.assert_allclose(np.sqrt(np.diag(fitted.covariance_)), error, rtol=1e-4)
    np.testing.assert_allclose(fitted.log_likelihood_, expected["loglik"], rtol=1e-8)
    assert fitted.converged_


@pytest.mark.parametrize("family", ["weibull", "lognormal"])
def test_tires_agree_with_survreg(real_data, family):
    expected = results(real_data, "r_extra")[f"tires_aft_{family}"]
    table = pd.read_csv(real_data / "reference/csv/tires.csv")
    x, y = covariates(table, expected["formula"]), target(table, expected["formula"])
    fitted = AcceleratedLifetime(family).fit(x, y)
    error = np.sqrt(np.diag(expected["vcov"]))
    coefficients = [*expected["coef"].values(), -expected["log_scale"]]
    assert np.max(np.abs(fitted.parameters_ - coefficients) / error) < 1e-6
    np.testing.assert_allclose(np.sqrt(np.diag(fitted.covariance_)), error, rtol=1e-4)
    assert fitted.log_likelihood_ == pytest.approx(expected["loglik"], rel=1e-8)


@pytest.fixture(scope="module")
def fleet():
    rng = np.random.default_rng(1)
    x = pd.DataFrame({"load": rng.normal(size=200), "heat": rng.normal(300.0, 20.0, 200)})
    lives = np.exp(1.0 + 0.4 * x["load"] + 0.01 * x["heat"]) * rng.weibull(2.0, 200)
    end = rng.uniform(20.0, 300.0, 200)
    return x, np.column_stack([np.minimum(lives, end), lives <= end])


def test_rescaling_time_moves_only_the_intercept(fleet):
    x, y = fleet
    days = AcceleratedLifetime().fit(x, y)
    hours = AcceleratedLifetime().fit(x, y * [24.0, 1.0])
    np.testing.assert_allclose(hours.coef_, days.coef_, rtol=1e-9)
    np.testing.assert_allclose(hours.intercept_ - days.intercept_, np.log(24.0), rtol=1e-9)
    np.testing.assert_allclose(hours.shape_, days.shape_, rtol=1e-9)


def test_units_of_the_covariates_scale_their_coefficients_alone(fleet):
    x, y = fleet
    plain = AcceleratedLifetime().fit(x, y)
    other = AcceleratedLifetime().fit(x.assign(heat=(x["heat"] - 273.15) * 1e6), y)
    np.testing.assert_allclose(other.coef_, plain.coef_ / [1.0, 1e6], rtol=1e-9)
    np.testing.assert_allclose(
        other.predict(x.assign(heat=(x["heat"] - 273.15) * 1e6)), plain.predict(x), rtol=1e-9
    )


@pytest.mark.filterwarnings("ignore:[0-9]+ of [0-9]+ censored rows end exactly:survjax.FitWarning")
def test_following_a_unit_in_two_rows_gives_the_same_fit_as_in_one(fleet):
    x, y = fleet
    whole = AcceleratedLifetime().fit(x, y)
    cut = 0.3 * y[:, 0]
    rows = np.concatenate([np.column_stack([cut, np.zeros(200)]), y])
    entry = np.concatenate([np.zeros(200), cut])
    split = AcceleratedLifetime().fit(pd.concat([x, x]), rows, entry=entry)
    np.testing.assert_allclose(split.parameters_, whole.parameters_, rtol=1e-8)
    np.testing.assert_allclose(split.covariance_, whole.covariance_, rtol=1e-6)


def test_the_shape_may_depend_on_covariates(fleet):
    x, _ = fleet
    rng = np.random.default_rng(2)
    big = pd.DataFrame({"load": rng.normal(size=4000)})
    shape = np.exp(0.5 + 0.4 * big["load"])
    lives = 50.0 * rng.exponential(size=4000) ** (1.0 / shape)
    fitted = AcceleratedLifetime(shape_on=["load"]).fit(big, lives)
    assert fitted.parameter_names_[-2:] == ("log_shape:intercept", "log_shape:load")
    error = np.sqrt(np.diag(fitted.covariance_))[-2:]
    assert np.all(np.abs(fitted.parameters_[-2:] - [0.5, 0.4]) < 4 * error)
    with pytest.raises(ValueError, match=r"no column 'lod', the columns are load, heat"):
        AcceleratedLifetime(shape_on=["lod"]).fit(x, np.ones(200))


def test_predictions_keep_the_index_and_agree_with_each_other(fleet):
    x, y = fleet
    x = x.set_index(np.arange(200) * 10)
    fitted = AcceleratedLifetime().fit(x, y)
    ages = np.full(200, 15.0)
    rul = fitted.predict_rul(x, ages)
    assert list(rul.index) == list(x.index)
    np.testing.assert_allclose(rul["mean"], fitted.predict(x, ages), rtol=1e-12)
    chance = fitted.predict_survival(x, [7.0, 20.0], ages)
    assert chance["survival"].shape == (200, 2)
    assert (chance["lower"] < chance["survival"]).all(axis=None)
    assert (chance["survival"] < chance["upper"]).all(axis=None)
    risk = fitted.failure_probability(x, ages, horizon=7.0)
    np.testing.assert_allclose(risk["failure_probability"], 1 - chance["survival"][7.0], rtol=1e-12)
    median = fitted.predict_survival(x.iloc[:3], rul["q50"].iloc[:3], ages[:3], level=None)
    np.testing.assert_allclose(np.diag(median), 0.5, rtol=1e-10)
    interval = fitted.predict_interval(x, ages)
    wide = fitted.predict_quantile(x, [0.025, 0.975], ages)
    assert (interval["lower"] < wide["q2.5"]).all() and (interval["upper"] > wide["q97.5"]).all()


def test_bounds_of_the_median_cover():
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(200):
        x = rng.normal(size=(60, 1))
        lives = np.exp(2.0 + 0.5 * x[:, 0]) * rng.weibull(1.5, 60)
        y = np.column_stack([np.minimum(lives, 12.0), lives <= 12.0])
        found = AcceleratedLifetime().fit(x, y).predict_quantile([[1.0]], [0.5], level=0.9)
        true = np.exp(2.5) * np.log(2.0) ** (1 / 1.5)
        covered.append(found["q50_lower"].iloc[0] < true < found["q50_upper"].iloc[0])
    assert 0.83 < np.mean(covered) < 0.96


def test_a_column_that_separates_failures_is_named():
    rng = np.random.default_rng(0)
    x = pd.DataFrame({"load": rng.normal(size=80), "coated": np.arange(80) % 2})
    y = np.column_stack([rng.weibull(1.5, 80) + 0.1, (x["coated"] == 0).to_numpy(float)])
    with pytest.warns(UserWarning, match="the data leave log_scale:coated open"):
        fitted = AcceleratedLifetime().fit(x, y)
    assert not fitted.converged_


def test_a_kind_of_unit_too_rare_for_a_first_look_is_fitted_like_any_other():
    rng = np.random.default_rng(0)
    n = 70_001
    rare = np.zeros(n)
    rare[[1, 77, 1003, 50_001, 70_000]] = 1.0
    life = 10 * rng.weibull(2.0, n) * np.exp(-0.5 * rare)
    found = AcceleratedLifetime().fit(rare[:, None], life)
    assert found.converged_
    # By hand: both groups share the shape, so that each scale is a power mean of its lives.
    shape = np.exp(found.parameters_[-1])
    scales = [np.mean(life[rare == kind] ** shape) ** (1 / shape) for kind in (0, 1)]
    np.testing.assert_allclose(found.coef_, np.log(scales[1] / scales[0]), rtol=1e-7)


@pytest.mark.parametrize("unit", [1e-140, 1e140])
def test_a_column_may_be_measured_in_any_unit(unit):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 2))
    life = 10 * np.exp(0.5 * x[:, 0]) * rng.weibull(2.0, 200)
    plain = AcceleratedLifetime().fit(x, life)
    scaled = AcceleratedLifetime().fit(x * np.array([unit, 1.0]), life)
    np.testing.assert_allclose(scaled.coef_ * [unit, 1.0], plain.coef_, rtol=1e-8)
    assert scaled.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-12)


@pytest.mark.parametrize("unit", [1e-250, 1e-100, 1e100, 1e250])
def test_a_unit_of_time_however_far_leaves_no_intercept_open(fleet, unit):
    x, y = fleet
    plain = AcceleratedLifetime().fit(x, y)
    far = AcceleratedLifetime().fit(x, np.column_stack([unit * y[:, 0], y[:, 1]]))
    assert far.converged_
    np.testing.assert_allclose(far.coef_, plain.coef_, rtol=1e-6)
    assert far.intercept_ - plain.intercept_ == pytest.approx(np.log(unit), rel=1e-9)


def test_durations_and_booleans_make_the_target_of_pairs():
    rng = np.random.default_rng(5)
    x, t, failed = rng.normal(size=(60, 1)), rng.weibull(2.0, 60), rng.random(60) < 0.7
    pairs = AcceleratedLifetime().fit(x, np.column_stack([t, failed]))
    named = AcceleratedLifetime().fit(x, survival_target(t, failed))
    np.testing.assert_array_equal(pairs.summary()["estimate"], named.summary()["estimate"])
    with pytest.raises(ValueError, match="upper must have one entry"):
        survival_target(t, failed[:5])
