"""Weights as counts and as importances, and known parts of linear predictors; R 4 as a reference.

The numbers are those of this script, with survival 3 (`digits = 13`):

    d <- data.frame(t=c(1,2,2,3,3,3,5,6,6,8,9,10), e=c(1,1,1,1,0,1,1,1,1,0,1,1),
      x=c(0.5,-1,2,0,1,-0.5,1.5,-2,0.3,0.8,-0.7,0.1), z=c(1,0,0,1,1,0,1,0,1,0,1,0),
      w=c(1.5,2,0.5,1,3,2.5,1,0.7,1.2,2,1,1.8), a=c(0,0,1,0,1,2,0,3,4,1,5,2),
      o=c(0.2,-0.3,0.1,0,0.5,-0.2,0.3,0.4,-0.1,0,0.2,-0.4),
      s=c(1,1,1,1,1,1,2,2,2,2,2,2), g=c(1,1,2,2,3,3,4,4,5,5,6,6))
    f <- coxph(Surv(t,e)~x+z, d, weights=w, ties="efron", robust=TRUE)
    coef(f); f$var; f$naive.var; f$loglik; residuals(f,"martingale"); residuals(f,"score")
    coxph(Surv(t,e)~x+z+cluster(g), d, weights=w, ties="efron")$var
    f <- coxph(Surv(a,t,e)~x+z+offset(o)+strata(s), d, ties="efron"); coef(f); f$var; f$loglik
    survfit(f, newdata=data.frame(x=0,z=0,o=0,s=1:2), stype=2, ctype=2)$cumhaz
    f <- coxph(Surv(t,e)~x+z+offset(o), d, ties="breslow"); coef(f); f$loglik
"""

import json
import warnings

import numpy as np
import pytest

from survjax import CoxPH, load
from survjax.cox import baseline_hazard
from survjax.cox.partial_likelihood.ties import terms_of
from survjax.estimators.saving.persistence import checksum, document

TIME = np.array([1, 2, 2, 3, 3, 3, 5, 6, 6, 8, 9, 10.0])
EVENT = np.array([1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1])
X = np.column_stack(
    [
        [0.5, -1, 2, 0, 1, -0.5, 1.5, -2, 0.3, 0.8, -0.7, 0.1],
        [1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0],
    ]
)
WEIGHT = np.array([1.5, 2, 0.5, 1, 3, 2.5, 1, 0.7, 1.2, 2, 1, 1.8])
ENTRY = np.array([0, 0, 1, 0, 1, 2, 0, 3, 4, 1, 5, 2.0])
OFFSET = np.array([0.2, -0.3, 0.1, 0, 0.5, -0.2, 0.3, 0.4, -0.1, 0, 0.2, -0.4])
STRATA, SITE = np.repeat([1, 2], 6), np.repeat(np.arange(6), 2)
Y = np.column_stack([TIME, EVENT])
#: Weights that are counts, of the same rows.
COUNT = np.array([3, 2, 2, 1, 3, 1, 2, 4, 1, 2, 1, 1])


def test_weights_from_sampling_are_those_of_r():
    model = CoxPH(weights="sampling", robust=True).fit(X, Y, sample_weight=WEIGHT)
    np.testing.assert_allclose(model.coef_, [-0.4614826569464, 0.4551043590074], rtol=1e-11)
    robust = [[0.12076016436066, -0.07435168317354], [-0.07435168317354, 0.51264713150581]]
    np.testing.assert_allclose(model.covariance_, robust, rtol=1e-11)
    naive = [[0.11586495010914, -0.06295373750987], [-0.06295373750987, 0.38821200932081]]
    np.testing.assert_allclose(model._cox.covariance, naive, rtol=1e-11)
    assert model.null_log_likelihood_ == pytest.approx(-27.94718682775, rel=1e-12)
    assert model.log_likelihood_ == pytest.approx(-26.98106296736, rel=1e-12)
    expected = [0.91630981848966, 0.74488729040979, 0.93610395441372, 0.44067877103743]
    np.testing.assert_allclose(model.residuals()[:4], expected, rtol=1e-10)
    score = [[0.56120073630834, 0.4650088536728], [-0.63969519934808, -0.3452656428803]]
    np.testing.assert_allclose(model.residuals("score").iloc[:2], score, rtol=1e-10)
    by_site = CoxPH(weights="sampling").fit(X, Y, sample_weight=WEIGHT, cluster=SITE)
    expected = [[0.10017897265835, 0.03597099245474], [0.03597099245474, 0.27810336975804]]
    np.testing.assert_allclose(by_site.covariance_, expected, rtol=1e-10)


def test_offsets_are_those_of_r():
    # R stops where the log-likelihood changes by 1e-9 of itself: its coefficients end there.
    model = CoxPH().fit(X, Y, entry=ENTRY, strata=STRATA, offset=OFFSET)
    np.testing.assert_allclose(model.coef_, [-0.09500240962798, -0.24271833691263], rtol=1e-8)
    expected = [[0.14148656718772, -0.07461230330825], [-0.07461230330825, 0.54710002431026]]
    np.testing.assert_allclose(model.covariance_, expected, rtol=1e-8)
    assert model.null_log_likelihood_ == pytest.approx(-10.84563805834, rel=1e-12)
    assert model.log_likelihood_ == pytest.approx(-10.73261515258, rel=1e-12)
    first, second = baseline_hazard(model._cox).values()
    np.testing.assert_allclose(first.values, [0.3979509844623, 1.0229944314004, 1.878271770307])
    expected = [0.199880281039, 0.6545686454165, 1.246968009627, 2.7530329370737]
    np.testing.assert_allclose(second.values, expected, rtol=1e-8)
    breslow = CoxPH(ties="breslow").fit(X, Y, offset=OFFSET)
    np.testing.assert_allclose(breslow.coef_, [0.09014351903289, 0.05610958313779], rtol=1e-8)
    assert breslow.log_likelihood_ == pytest.approx(-17.37710342013, rel=1e-12)


def test_an_offset_is_a_column_whose_effect_is_known():
    rng = np.random.default_rng(0)
    x, offset = rng.normal(size=(300, 1)), rng.normal(size=300)
    y = rng.exponential(np.exp(-0.5 * x[:, 0] - offset))
    model = CoxPH().fit(x, y, offset=offset)
    both = CoxPH().fit(np.column_stack([x, offset]), y)
    assert both.log_likelihood_ >= model.log_likelihood_ > both.log_likelihood_ - 4.0
    moved = CoxPH().fit(x, y, offset=offset + 700.0)
    np.testing.assert_allclose(moved.coef_, model.coef_, rtol=1e-9)
    part, known = x[:5], offset[:5]
    np.testing.assert_allclose(model.predict(part, offset=known), model.predict(part) + known)
    plain = np.log(model.predict_survival(part, [0.3], level=None).to_numpy()[:, 0])
    alive = np.log(model.predict_survival(part, [0.3], level=None, offset=known).to_numpy()[:, 0])
    np.testing.assert_allclose(alive, plain * np.exp(known), rtol=1e-12)
    risk = model.failure_probability(part, horizon=0.3, offset=known)["failure_probability"]
    np.testing.assert_allclose(risk, -np.expm1(alive), rtol=1e-12)
    # An offset of one unit of log hazard is a covariate that is one over its effect higher.
    higher = part + known[:, None] / model.coef_[0]
    ours = model.predict_rul(part, horizon=0.3, offset=known)
    theirs = model.predict_rul(higher, horizon=0.3)
    for name in ("restricted_mean", "q10", "q50"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9)
    path = model.predict_path(part[:2], [0.0, 0.2, 0.4], offset=known[:2])
    other = model.predict_path(higher[:2], [0.0, 0.2, 0.4])
    np.testing.assert_allclose(path.survival["survival"], other.survival["survival"], rtol=1e-9)
    assert model.score(x, y, offset=offset) > model.score(x, y)
    with pytest.raises(ValueError, match="offset must be finite, got nan in row 1"):
        CoxPH().fit(x[:3], y[:3], offset=[0.0, np.nan, 1.0])
    with pytest.raises(ValueError, match="offset must have one entry for each"):
        model.predict(part, offset=[1.0])


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("late", [False, True])
def test_a_row_of_weight_three_is_three_equal_rows(ties, late):
    back = np.repeat(np.arange(12), COUNT)
    entry, own = (ENTRY, ENTRY[back]) if late else (None, None)
    model = CoxPH(ties=ties, robust=True).fit(X, Y, sample_weight=COUNT, entry=entry)
    other = CoxPH(ties=ties, robust=True).fit(X[back], Y[back], entry=own)
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-10)
    np.testing.assert_allclose(model.covariance_, other.covariance_, rtol=1e-9)
    np.testing.assert_allclose(model._cox.covariance, other._cox.covariance, rtol=1e-9)
    assert model.log_likelihood_ == pytest.approx(other.log_likelihood_, rel=1e-12)
    np.testing.assert_allclose(model.tests(), other.tests(), rtol=1e-8)
    np.testing.assert_allclose(model.baseline_.values, other.baseline_.values, rtol=1e-10)
    for kind in ("martingale", "deviance", "score", "influence"):
        ours, theirs = np.asarray(model.residuals(kind)), np.asarray(other.residuals(kind))
        np.testing.assert_allclose(ours[back], theirs, rtol=1e-8, atol=1e-11)
    site = CoxPH(ties=ties).fit(X, Y, sample_weight=COUNT, entry=entry, cluster=SITE)
    rows = CoxPH(ties=ties).fit(X[back], Y[back], entry=own, cluster=SITE[back])
    np.testing.assert_allclose(site.covariance_, rows.covariance_, rtol=1e-9)


def test_a_unit_of_weight_three_is_three_units():
    count, cut = np.tile(COUNT, 2), 0.5 * TIME
    x = np.concatenate([X, X[::-1]])
    y = np.concatenate([np.column_stack([cut, np.zeros(12)]), Y])
    entry, unit = np.concatenate([np.zeros(12), cut]), np.tile(np.arange(12), 2)
    model = CoxPH(robust=True).fit(x, y, entry=entry, unit=unit, sample_weight=count)
    back = np.repeat(np.arange(24), count)
    copy = np.concatenate([np.arange(w) for w in count])
    other = CoxPH(robust=True).fit(x[back], y[back], entry=entry[back], unit=unit[back] * 10 + copy)
    np.testing.assert_allclose(model.covariance_, other.covariance_, rtol=1e-9)
    np.testing.assert_allclose(model.tests(), other.tests(), rtol=1e-8)


def test_counts_that_are_no_whole_numbers_get_one_clear_error():
    message = (
        r'whole numbers where failures are tied.*got 1\.5 in row 0 \(6 such rows\).*"sampling"'
    )
    with pytest.raises(ValueError, match=message):
        CoxPH().fit(X, Y, sample_weight=WEIGHT)
    assert CoxPH(ties="breslow").fit(X, Y, sample_weight=WEIGHT).converged_
    # No failure is tied here, not even with its own equal rows.
    spread = np.column_stack([np.arange(12.0), EVENT])
    single, other = (
        CoxPH(weights=kind).fit(X, spread, sample_weight=WEIGHT / 4)
        for kind in ("counts", "sampling")
    )
    np.testing.assert_allclose(single.coef_, other.coef_, rtol=1e-12)
    with pytest.raises(ValueError, match='weights must be "counts" or "sampling", got'):
        CoxPH(weights="survey").fit(X, Y)


@pytest.mark.parametrize("m", [1, 5, 64, 65, 80, 129, 1000, 123_457])
def test_many_ties_are_few_terms_of_the_same_sums(m):
    share, weight = terms_of(m)
    assert share.size <= 64 + 15 * max(np.log2(m) - 5, 1)
    every = np.arange(m) / m
    for total, tied in ((1.0, 1.0), (1.0, 0.999), (3.0, 1.0), (1e9, 1.0)):
        for f in (np.log, lambda d: 1 / d, lambda d: 1 / d**2):
            ours = weight @ f(total - share * tied)
            assert ours == pytest.approx(f(total - every * tied).sum(), rel=1e-11, abs=1e-11 * m)
            ours = (weight * share**2) @ f(total - share * tied)
            expected = (every**2 * f(total - every * tied)).sum()
            assert ours == pytest.approx(expected, rel=1e-11, abs=1e-11 * m)


def test_weights_and_offsets_outlive_saving(tmp_path):
    model = CoxPH(weights="sampling").fit(X, Y, sample_weight=WEIGHT, offset=OFFSET)
    model.save(tmp_path / "model.json")
    again = load(tmp_path / "model.json")
    assert again.get_params()["weights"] == "sampling"
    found, expected = (
        m.predict_survival(X, [2.0, 6.0], ages=1.0, offset=OFFSET) for m in (again, model)
    )
    np.testing.assert_array_equal(found, expected)


def test_files_of_the_first_version_are_still_read(tmp_path):
    model = CoxPH().fit(X, Y, strata=STRATA)
    content = document(model)
    # They kept sums of steps at the center of all covariates, and knew of no kinds of weights.
    del content["parameters"]["weights"]
    for i, one in enumerate(content["fitted"]["_steps"]):
        table = model._table(i)
        rise = np.exp(table.log_steps - table.origin @ table.theta)
        for name in ("log_steps", "log_spreads", "means", "origin"):
            del one[name]
        one["hazard"] = np.append(0.0, np.cumsum(rise)).tolist()
        spread = np.exp(table.log_spreads - 2.0 * table.origin @ table.theta)
        one["spread"] = np.append(0.0, np.cumsum(spread)).tolist()
        means = (table.means + table.origin[:, None]) * rise
        one["mean"] = np.insert(np.cumsum(means, axis=1), 0, 0.0, axis=1).tolist()
    content["sha256"] = checksum(content)
    (tmp_path / "old.json").write_text(json.dumps(content))
    again = load(tmp_path / "old.json")
    assert again.get_params()["weights"] == "sampling"
    found, expected = (
        m.predict_survival(X, [1.0, 2.0], ages=0.5, strata=STRATA) for m in (again, model)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    again.save(tmp_path / "new.json")
    once_more = load(tmp_path / "new.json").predict_survival(X, [1.0, 2.0], ages=0.5, strata=STRATA)
    np.testing.assert_array_equal(once_more, found)


def test_predictions_of_units_older_than_every_failure_are_unknown():
    y = np.column_stack([TIME, np.where(TIME > 6, 0, EVENT)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = CoxPH().fit(X, y)
        one = X[:1]
        assert model.predict_survival(one, [1.0, 9.0], ages=[150]).isna().all(axis=None)
        assert model.failure_probability(one, ages=[150], horizon=1.0).isna().all(axis=None)
        assert model.predict_rul(one, ages=[150], horizon=1.0).isna().all(axis=None)
        assert model.predict_survival(one, [0.0], ages=[150], level=None).iloc[0, 0] == 1.0
        reach = model.predict_survival(one, [6.0, 6.0001], level=None).iloc[0]
        assert np.isfinite(reach.iloc[0]) and np.isnan(reach.iloc[1])
        path = model.predict_path(X[:2], [0.0, 5.0, 9.0])
        assert path.survival.isna().any(axis=1).tolist() == [False, True]
        chance = model.failure_probability(one, horizon=5.0).iloc[0, 0]
        alive = model.predict_survival(one, [5.0], level=None).iloc[0, 0]
        assert chance == pytest.approx(1 - alive, rel=1e-12)


def test_a_stratum_without_failures_is_unknown():
    x, y = [[0], [1], [2], [1]], [[1, 1], [2, 1], [2, 0], [3, 0]]
    with pytest.warns(match="runs off to infinity"):
        model = CoxPH().fit(x, y, strata=[0, 0, 1, 1])
    for found in (
        model.failure_probability([[1]], strata=[1]),
        model.predict_survival([[1]], [1.0], strata=[1]),
        model.predict_rul([[1]], strata=[1], horizon=1.0),
    ):
        assert found.isna().all(axis=None)
    both = model.failure_probability([[1], [1]], strata=[0, 1])
    assert both["failure_probability"].isna().tolist() == [False, True]


def test_a_supremum_at_infinity_that_is_finite_is_reached():
    with pytest.warns(match="runs off to infinity"):
        model = CoxPH().fit([[-2], [2], [2]], [[2, 1], [3, 0], [1, 1]], entry=[1, 0, 0])
    assert model.log_likelihood_ == pytest.approx(-np.log(2), rel=1e-12)
    assert model.aic_ == pytest.approx(2 + 2 * np.log(2))
    ratio = model.tests().loc["likelihood_ratio"]
    assert ratio["p_value"] == pytest.approx(0.239032, abs=1e-6)


def test_times_asked_for_are_those_of_the_data_up_to_rounding():
    model = CoxPH().fit([[0.0], [1.0], [0.0]], [0.1 * 3, 1.0, 2.0])
    at, after = model.predict_survival([[0.0]], [0.3, 0.5], level=None).iloc[0]
    assert at == after < 1
    assert np.isfinite(model.failure_probability([[0.0]], ages=[0.3], horizon=1.7).iloc[0, 0])


def test_tests_with_fewer_clusters_than_columns_have_the_degrees_of_freedom_of_the_clusters():
    rng = np.random.default_rng(5)
    x, life = rng.normal(size=(60, 4)), rng.exponential(size=60)
    model = CoxPH().fit(x, life, cluster=np.arange(60) % 3)
    tests = model.tests()
    # Influences add up to zero: three clusters have two directions.
    assert tests.loc["wald", "df"] == 2
    assert tests.loc["robust_score", "df"] <= 3
    assert tests.loc["likelihood_ratio", "df"] == 4
    assert np.isfinite(tests["p_value"]).all()
