"""Parameters of causes that are known, lie between bounds, or are one for several causes.

References are fits of each cause alone: with known parameters the likelihood separates.
"""

from __future__ import annotations

import numpy as np
import pytest

import survjax
from survjax import CompetingRisks, LifetimeModel

RNG = np.random.default_rng(1)
N = 200
WEAR, SHOCK = 10.0 * RNG.weibull(2.0, N), 14.0 * RNG.weibull(2.0, N)
AGE = np.minimum(np.minimum(WEAR, SHOCK), 9.0)
CAUSE = np.where(AGE == 9.0, None, np.where(AGE == WEAR, "wear", "shock"))
NARROWED = [{"wear", "shock"} if c and i % 5 == 0 else c for i, c in enumerate(CAUSE)]
STEPS = np.array([-0.01, 0.0, 0.01])
CAUSES = {"wear": "weibull", "shock": "weibull"}


def alone(cause, shape):
    """The fit of one cause with a known shape."""
    return LifetimeModel("weibull", fixed={"shape": shape}).fit(AGE, cause == CAUSE)


@pytest.fixture(scope="module")
def shared():
    return CompetingRisks(CAUSES, shared={"shape": ["wear", "shock"]}).fit(AGE, CAUSE)


def test_a_shared_shape_is_the_best_that_both_causes_can_have(shared):
    assert shared.converged_ and shared.parameters_[1] == shared.parameters_[3]
    shape = np.exp(shared.parameters_[1])
    value = [sum(alone(c, k * shape).log_likelihood_ for c in CAUSES) for k in np.exp(STEPS)]
    assert shared.log_likelihood_ == pytest.approx(value[1], rel=1e-12)
    assert value[0] < value[1] > value[2]
    # The profile's curvature is the inverse variance.
    curvature = (2.0 * value[1] - value[0] - value[2]) / STEPS[2] ** 2
    assert shared.covariance_[1, 1] == pytest.approx(1.0 / curvature, rel=1e-3)
    assert shared.covariance_[1, 3] == pytest.approx(shared.covariance_[1, 1], rel=1e-12)


def test_a_shared_parameter_counts_once(shared):
    assert shared.n_free_ == 3
    assert shared.aic_ == pytest.approx(6.0 - 2.0 * shared.log_likelihood_)
    table = shared.summary()
    assert table.loc["wear.shape"].equals(table.loc["shock.shape"])
    assert shared.cumulative_incidence(5.0, "wear")["lower"].notna().all()


def test_known_parameters_of_a_cause_are_those_of_its_own_fit():
    model = CompetingRisks(CAUSES, fixed={"wear.shape": 2.0}).fit(AGE, CAUSE)
    np.testing.assert_allclose(model.parameters_[:2], alone("wear", 2.0).parameters_, rtol=1e-12)
    assert model.n_free_ == 3 and model.summary()["bounds"]["wear.shape"] == "fixed"


def test_causes_that_are_not_told_apart_know_what_is_held():
    given = {"fixed": {"wear.shape": 2.0}, "bounds": {"shock.shape": (3.0, None)}}
    model = CompetingRisks(CAUSES, **given).fit(AGE, NARROWED)
    assert model.certificate_.status == "maximum at the bounds of shock.shape"
    assert model.parameters_[1] == np.log(2.0) and model.parameters_[3] == np.log(3.0)
    both = CompetingRisks(CAUSES, fixed={"wear.shape": 2.0, "shock.shape": 3.0})
    both.fit(AGE, NARROWED)
    np.testing.assert_allclose(model.parameters_, both.parameters_, rtol=1e-7)
    assert model.n_free_ == 3 and both.n_free_ == 2


def test_a_shared_shape_may_be_known():
    model = CompetingRisks(
        CAUSES, shared={"shape": ["wear", "shock"]}, fixed={"wear.shape": 2.0}
    ).fit(AGE, CAUSE)
    expected = [*alone("wear", 2.0).parameters_, *alone("shock", 2.0).parameters_]
    np.testing.assert_allclose(model.parameters_, expected, rtol=1e-9)
    assert model.n_free_ == 2


def test_files_keep_what_is_shared_and_held(shared, tmp_path):
    shared.save(tmp_path / "shared.json")
    loaded = survjax.load(tmp_path / "shared.json")
    assert loaded.summary().equals(shared.summary()) and loaded.n_free_ == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fixed": {"shape": 2.0}}, "names the cause first"),
        ({"fixed": {"wear.power": 2.0}}, "cause 'wear': fixed knows the parameters scale, shape"),
        ({"shared": {"shape": ["wear"]}}, "must list two or more"),
        ({"shared": {"power": ["wear", "shock"]}}, "has no parameter 'power' to share"),
        ({"shared": ["shape"]}, "shared must be a dict"),
        (
            {
                "shared": {"shape": ["wear", "shock"]},
                "fixed": {"wear.shape": 2.0, "shock.shape": 3.0},
            },
            "held in different ways",
        ),
    ],
)
def test_what_causes_cannot_share_or_hold_is_said(options, words):
    with pytest.raises(ValueError, match=words):
        CompetingRisks(CAUSES, **options).fit(AGE, CAUSE)
