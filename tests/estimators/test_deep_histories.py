"""Deep mixtures of units whose covariates change: likelihoods, batches of whole units, paths."""

import functools
import itertools

import numpy as np
import pytest
import sklearn
from scipy.special import logsumexp
from sklearn.model_selection import GroupKFold, cross_val_score

import survjax
from survjax import DeepWeibullMixture, MixtureRegression
from survjax._core.precision import double_precision
from survjax.data.observations import Observations
from survjax.estimators.deep.training import by_content, check_settings, member_weights
from survjax.likelihood.regression.histories import whole_lives
from survjax.networks.deep_mixture_curves import predictors_of_members

SMALL = {"layers": (4,), "n_members": 2, "max_epochs": 15, "batch_size": 64}


def fleet(n=240, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    late = rng.random(n) < 0.6
    lives = np.where(late, 50 * rng.weibull(4.0, n), 8 * rng.weibull(1.0, n))
    lives = lives * np.exp(0.3 * x[:, 0])
    end = rng.uniform(20.0, 90.0, n)
    return x, np.column_stack([np.minimum(lives, end), lives <= end])


def cut(x, y, seed, entry=None):
    """Each life in one to five rows of equal covariates, cut at random; rows in any order."""
    rng = np.random.default_rng(seed)
    n = len(y)
    begin = np.zeros(n) if entry is None else entry
    rows = []
    for i in range(n):
        inner = rng.uniform(begin[i], y[i, 0], rng.integers(0, 5))
        edges = [begin[i], *np.sort(inner), y[i, 0]]
        for a, b in itertools.pairwise(edges):
            rows.append([i, a, b, y[i, 1] if b == y[i, 0] else 0.0])
    rows = np.array(rows)[rng.permutation(len(rows))]
    unit = rows[:, 0].astype(int)
    return x[unit], rows[:, 2:], {"entry": rows[:, 1], "unit": unit}


def varied(n, seed):
    """Loads that change at random times; two sub-populations in which they count differently."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        late, kind = rng.random() < 0.5, rng.uniform(-1.0, 1.0)
        shape, age, used = (3.0, 0.0, 0.0) if late else (1.0, 0.0, 0.0)
        goal, end = rng.exponential(), rng.uniform(20.0, 80.0)
        while True:
            load = rng.uniform(-1.5, 1.5)
            scale = np.exp((3.9 if late else 2.3) - 0.6 * load**2 + 0.3 * kind)
            stop = min(age + rng.uniform(4.0, 16.0), end)
            more = (stop / scale) ** shape - (age / scale) ** shape
            failed = used + more >= goal
            if failed:
                stop = scale * (goal - used + (age / scale) ** shape) ** (1 / shape)
            rows.append([i, age, stop, failed, load, kind])
            if failed or stop == end:
                break
            age, used = stop, used + more
    rows = np.array(rows)
    return rows[:, 4:], rows[:, 2:4], {"entry": rows[:, 1], "unit": rows[:, 0].astype(int)}


@functools.cache
def model():
    x, y, more = varied(300, 0)
    return DeepWeibullMixture(2, **SMALL).fit(x, y, **more)


def by_hand(y, entry, unit, parts):
    """Log-likelihood of each unit; `parts(rows)` says, of each component that may be behind a
    unit, the log weight, and the scale and shape under each of its rows."""
    found = []
    for one in np.unique(unit):
        rows = np.flatnonzero(unit == one)
        rows = rows[np.argsort(entry[rows])]
        joint, reached = [], []
        for log_weight, scale, shape in parts(rows):
            hazard = (y[rows, 0] / scale) ** shape - (entry[rows] / scale) ** shape
            rate = np.log(shape / scale) + (shape - 1) * np.log(y[rows, 0] / scale)
            before = log_weight - (entry[rows[0]] / scale[0]) ** shape[0]
            reached.append(before)
            joint.append(before + np.sum(y[rows, 1] * rate - hazard))
        found.append(logsumexp(joint) - logsumexp(reached))
    return np.array(found)


def plain_numpy(fitted, x, y, entry, unit):
    """The same of a fitted model: each component of each member may be behind a unit."""
    inside = fitted._ensemble
    z = (x - inside.center) / inside.scale
    eta = double_precision(predictors_of_members)(inside.network, inside.parameters, z)
    eta, k = np.asarray(eta), fitted.n_components

    def parts(rows):
        for m in range(fitted.n_members):
            logits = np.append(0.0, eta[: k - 1, m, rows[0]])
            for c in range(k):
                log_scale, log_shape = eta[[k - 1 + c, 2 * k - 1 + c], m][:, rows]
                yield logits[c] - logsumexp(logits), np.exp(log_scale), np.exp(log_shape)

    return by_hand(y, entry, unit, parts)


def truth(x, y, entry, unit):
    """What the model that made the histories says of them."""

    def parts(rows):
        effect = np.exp(0.3 * x[rows, 1] - 0.6 * x[rows, 0] ** 2)
        for log_scale, shape in ((2.3, 1.0), (3.9, 3.0)):
            yield np.log(0.5), np.exp(log_scale) * effect, np.full(rows.size, shape)

    return by_hand(y, entry, unit, parts).mean()


def test_the_likelihood_of_a_history_is_the_formula():
    x, y, more = varied(40, 7)
    expected = plain_numpy(model(), x, y, **more)
    assert model().score(x, y, **more) == pytest.approx(expected.mean(), rel=1e-12)
    late = more["entry"] >= 5.0  # and where the first part of each history was not seen
    some = more["unit"][late], more["entry"][late]
    expected = plain_numpy(model(), x[late], y[late], some[1], some[0])
    found = model().score(x[late], y[late], unit=some[0], entry=some[1])
    assert found == pytest.approx(expected.mean(), rel=1e-12)


def test_cutting_lives_into_rows_changes_no_likelihood():
    x, y = fleet()
    entry = 0.4 * y[:, 0] * (np.arange(len(y)) % 3 == 0)
    fitted = DeepWeibullMixture(2, **SMALL).fit(x, y, entry=entry)
    for seed in (1, 2):
        rows, target, more = cut(x, y, seed, entry)
        assert len(rows) > 2 * len(x)
        found = fitted.score(rows, target, **more)
        np.testing.assert_allclose(found, fitted.score(x, y, entry=entry), rtol=1e-10)


@pytest.mark.parametrize("cuts", [None, 1], ids=["one row a unit", "rows cut"])
@pytest.mark.parametrize("batch_size", [64, pytest.param(None, marks=pytest.mark.slow)])
def test_training_on_histories_is_training_on_their_units(batch_size, cuts):
    x, y = fleet()
    settings = SMALL | {"batch_size": batch_size}
    whole = DeepWeibullMixture(2, **settings).fit(x, y)
    rows, target, more = x, y, {"unit": np.arange(len(y))}
    if cuts:
        rows, target, more = cut(x, y, cuts)
    parts = DeepWeibullMixture(2, **settings).fit(rows, target, **more)
    assert parts.n_units_ == len(y) and parts.n_events_ == whole.n_events_
    np.testing.assert_allclose(parts.log_likelihood_, whole.log_likelihood_, rtol=1e-8)
    np.testing.assert_allclose(parts.predict(x[:9]), whole.predict(x[:9]), rtol=1e-6)
    np.testing.assert_allclose(
        parts.history_["validation_log_likelihood"],
        whole.history_["validation_log_likelihood"],
        rtol=1e-8,
    )
    np.testing.assert_allclose(parts.membership(x[:9]), whole.membership(x[:9]), atol=1e-6)


def test_neither_the_order_of_rows_nor_that_of_names_matters():
    x, y, more = varied(300, 0)
    mixed = np.random.default_rng(3).permutation(len(y))
    names = np.array([f"pump {i:04d}" for i in more["unit"]])
    again = DeepWeibullMixture(2, **SMALL).fit(
        x[mixed], y[mixed], entry=more["entry"][mixed], unit=names[mixed]
    )
    np.testing.assert_allclose(again.predict(x[:9]), model().predict(x[:9]), rtol=1e-9)
    np.testing.assert_allclose(again.log_likelihood_, model().log_likelihood_, rtol=1e-10)
    score = model().score(x[mixed], y[mixed], entry=more["entry"][mixed], unit=names[mixed])
    np.testing.assert_allclose(score * 300, model().log_likelihood_, rtol=1e-12)


@pytest.mark.slow
def test_units_of_very_different_lengths_share_batches():
    x, y = fleet(60)
    rows, target, more = cut(x, y, 1)
    edges = np.linspace(0.0, 30.0, 401)
    rows = np.vstack([rows, np.zeros((400, 2))])
    target = np.vstack([target, np.column_stack([edges[1:], np.zeros(400)])])
    entry = np.append(more["entry"], edges[:-1])
    unit = np.append(more["unit"], np.full(400, 60))
    long = DeepWeibullMixture(2, **SMALL).fit(rows, target, entry=entry, unit=unit)
    whole = np.vstack([x, [[0.0, 0.0]]]), np.vstack([y, [[30.0, 0.0]]])
    short = DeepWeibullMixture(2, **SMALL).fit(*whole)
    np.testing.assert_allclose(long.predict(x[:9]), short.predict(x[:9]), rtol=1e-6)


def test_units_are_left_out_whole():
    x, y, more = varied(120, 2)
    fitted = DeepWeibullMixture(2, **SMALL | {"n_members": 1}).fit(x, y, **more)
    rows = Observations.from_durations(*y.T, entry=more["entry"])
    _, _, units = by_content(rows, x, more["unit"])
    lives = whole_lives(units)
    _, (held,) = member_weights(fitted, lives, check_settings(fitted)[1].seed)
    inside = np.isin(more["unit"], more["unit"][np.isin(y[:, 0], lives.lower[held > 0])])
    assert 20 < held.sum() < 30 and np.unique(more["unit"][inside]).size == held.sum()
    some = {name: column[inside] for name, column in more.items()}
    left_out = fitted.score(x[inside], y[inside], **some)
    noted = fitted.members_["validation_log_likelihood"].iloc[0]
    np.testing.assert_allclose(noted, left_out, rtol=1e-10)


def test_weights_count_units():
    x, y, more = varied(120, 2)
    twice = np.full(len(y), 2.0)
    fitted = DeepWeibullMixture(2, **SMALL).fit(x, y, sample_weight=twice, **more)
    assert fitted.n_units_ == 240 and fitted.n_events_ == 2 * y[:, 1].sum()
    score = fitted.score(x, y, sample_weight=twice, **more)
    np.testing.assert_allclose(score, fitted.score(x, y, **more), rtol=1e-12)
    np.testing.assert_allclose(fitted.log_likelihood_, 240 * score, rtol=1e-12)


@pytest.mark.slow
def test_loads_that_bend_and_change_are_recovered():
    x, y, more = varied(1000, 1)
    fitted = DeepWeibullMixture(2, layers=(16,), n_members=4).fit(x, y, **more)
    fresh, target, others = varied(2000, 9)
    best, reached = truth(fresh, target, **others), fitted.score(fresh, target, **others)
    linear = MixtureRegression(2, n_starts=2).fit(x, y, **more)
    assert best - 0.05 < reached < best + 0.01
    assert linear.score(fresh, target, **others) < best - 0.1
    found = fitted.predict_quantile([[0.0, 0.0], [1.4, 0.0]], [0.5])["q50"]
    # Median lives of the even mixture at these loads, which scale alone: exp(-0.6 * 1.4^2).
    assert abs(np.log(found[1] / found[0]) + 0.6 * 1.4**2) < 0.25


def test_a_plan_that_changes_nothing_is_the_ordinary_remaining_life():
    plan, edges = np.tile([0.7, -0.2], (4, 1)), [10.0, 12.0, 20.0, 33.0, 50.0]
    found = model().predict_path(plan, edges, level=0.9)
    rul = model().predict_rul(plan[:1], [10.0], level=0.9).iloc[0]
    np.testing.assert_allclose(
        [found.mean, found.mean_lower, found.mean_upper],
        rul[["mean", "mean_lower", "mean_upper"]],
        rtol=1e-5,
    )
    ahead = np.array(edges[1:]) - 10.0
    survival = model().predict_survival(plan[:1], ahead, [10.0], level=0.9)
    for name in ("survival", "lower", "upper"):
        np.testing.assert_allclose(found.survival[name], survival[name].iloc[0], rtol=1e-8)


def test_along_a_plan_a_unit_keeps_its_component():
    # Chances to survive follow from likelihoods of histories that end without a failure.
    plan, edges = np.array([[0.5, 0.1], [-1.2, 0.1], [1.3, 0.1]]), np.array([6.0, 15.0, 21.0, 40.0])
    found = model().predict_path(plan, edges)
    for m in (1, 2, 3):
        y = np.column_stack([edges[1 : m + 1], np.zeros(m)])
        alone = model().score(plan[:m], y, entry=edges[:m], unit=np.zeros(m))
        np.testing.assert_allclose(np.log(found.survival["survival"].iloc[m - 1]), alone, rtol=1e-9)
    step = 1e-5
    moved = [
        model().predict_path(plan + np.array([[0], [s], [0]]) * [1, 0], edges).mean
        for s in (step, -step)
    ]
    slope = (moved[0] - moved[1]) / (2 * step)
    np.testing.assert_allclose(found.gradient.iloc[1, 0], slope, rtol=1e-5)


def test_a_loaded_model_follows_plans_and_scores_histories(tmp_path):
    x, y, more = varied(40, 7)
    model().save(tmp_path / "deep.json")
    loaded = survjax.load(tmp_path / "deep.json")
    plan, edges = x[:3], [0.0, 5.0, 9.0, 30.0]
    assert loaded.predict_path(plan, edges).survival.equals(
        model().predict_path(plan, edges).survival
    )
    assert loaded.score(x, y, **more) == model().score(x, y, **more)


def test_unit_is_routed_through_cross_validation():
    x, y, more = varied(90, 4)
    folds = GroupKFold(3)
    with sklearn.config_context(enable_metadata_routing=True):
        asked = DeepWeibullMixture(1, **SMALL).set_fit_request(unit=True, entry=True)
        asked.set_score_request(unit=True, entry=True)
        params = more | {"groups": more["unit"]}
        routed = cross_val_score(asked, x, y, cv=folds, params=params)
    by_hand = [
        DeepWeibullMixture(1, **SMALL)
        .fit(x[a], y[a], entry=more["entry"][a], unit=more["unit"][a])
        .score(x[b], y[b], entry=more["entry"][b], unit=more["unit"][b])
        for a, b in folds.split(x, y, more["unit"])
    ]
    np.testing.assert_allclose(routed, by_hand, rtol=1e-12)


X3, Y3 = np.random.default_rng(0).normal(size=(3, 1)), np.array([[2.0, 0], [5.0, 1], [4.0, 1]])
NAMES = ["pump a", "pump a", "pump b"]


@pytest.mark.parametrize(
    ("y", "more", "message"),
    [
        (Y3, {"entry": [0.0, 3.0, 0.0]}, "'pump a' must follow.*ends at 2.*starts at 3"),
        (Y3, {"entry": [0.0, 1.0, 0.0]}, "'pump a' must follow.*ends at 2.*starts at 1"),
        ([[2.0, 1], *Y3[1:]], {"entry": [0.0, 2.0, 0.0]}, "'pump a' fails at 2 but has rows after"),
        (
            Y3,
            {"entry": [0.0, 2.0, 0.0], "unit": NAMES[:2]},
            "one entry for each of the 3 durations",
        ),
        (Y3, {"entry": [0.0, 2.0, 0.0], "sample_weight": [1.0, 2.0, 1.0]}, "must be the same in"),
        (Y3, {"entry": [0.0, 2.0, 4.0]}, "entry must be below the unit's duration"),
    ],
)
def test_histories_that_cannot_be_are_refused_by_name(y, more, message):
    with pytest.raises(ValueError, match=message):
        DeepWeibullMixture(1, **SMALL).fit(X3, y, **{"unit": NAMES} | more)
    with pytest.raises(ValueError, match="exact failures, not intervals"):
        target = survjax.survival_target([1.0, 2.0, 3.0], [2.0, 4.0, np.inf])
        DeepWeibullMixture(1, **SMALL).fit(X3, target, unit=NAMES)


def test_plans_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="edges must have one entry more than X has rows, got 2"):
        model().predict_path(np.zeros((2, 2)), [0.0, 1.0])
    with pytest.raises(ValueError, match="edges must be increasing"):
        model().predict_path(np.zeros((2, 2)), [0.0, 2.0, 1.0])
