"""Replicates of several causes: against the delta method, a loop of fits, and seeds."""

import numpy as np
import pytest

from survjax import CompetingRisks, Observations, load

CAUSES = {"wear": "weibull", "shock": "exponential"}


def units(n, seed=5):
    """Durations that wear, shock or the end of a study end."""
    rng = np.random.default_rng(seed)
    wear, shock = 10.0 * rng.weibull(2.5, n), rng.exponential(14.0, n)
    end = rng.uniform(4.0, 14.0, n)
    t = np.minimum(np.minimum(wear, shock), end)
    return t, np.where(t == end, None, np.where(t == wear, "wear", "shock"))


T, CAUSE = units(60)
MASKED = [{"wear", "shock"} if c and i % 4 == 0 else c for i, c in enumerate(CAUSE)]
AGES = np.array([0.0, 3.0, 6.0])


@pytest.fixture(scope="module")
def many():
    return CompetingRisks(CAUSES).fit(*units(1500)).bootstrap(150, random_state=1)


@pytest.fixture(scope="module")
def few():
    return CompetingRisks(CAUSES).fit(T, MASKED).bootstrap(40, random_state=3)


def test_many_units_have_the_bounds_of_the_delta_method(many):
    found = {}
    for method in ("delta", "bootstrap"):
        bound = lambda *a, m=method, **k: np.array(many.confidence_interval(*a, method=m, **k))  # noqa: E731
        found[method] = [
            bound("cumulative_incidence", 4.0, cause="wear", ages=AGES),
            bound("cumulative_incidence", np.inf, cause="shock", ages=AGES),
            bound("quantile", 0.5, ages=AGES),
            bound("shape", cause="wear"),
        ]
    for delta, drawn in zip(found["delta"], found["bootstrap"], strict=True):
        width = delta[1] - delta[0]
        np.testing.assert_allclose(drawn[1] - drawn[0], width, rtol=0.3)
        assert np.all(np.abs(drawn - delta) < 0.35 * width)
    frame = many.failure_probability(AGES, 4.0, cause="wear")[["lower", "upper"]]
    np.testing.assert_allclose(found["delta"][0].T, frame, rtol=1e-12)


def test_replicates_are_fits_of_units_drawn_again(few):
    """The same multinomial counts, as weights of a fit of its own."""
    rng = np.random.default_rng(3)
    rows = few._rows
    counts = rng.multinomial(T.size, rows.weight / T.size, size=64)
    labels = [
        None if not own.any() else {name for name, is_in in zip(CAUSES, own, strict=True) if is_in}
        for own in few._allowed
    ]
    for i in (0, 7):
        kept = counts[i] > 0
        drawn = Observations.from_durations(
            rows.lower[kept], rows.event[kept], sample_weight=counts[i][kept].astype(float)
        )
        alone = CompetingRisks(CAUSES).fit(
            drawn, [c for c, k in zip(labels, kept, strict=True) if k]
        )
        np.testing.assert_allclose(few.bootstrap_.parameters[i], alone.parameters_, atol=1e-6)
    assert few.bootstrap_.n_failed == 0


def test_bounds_of_what_a_cause_ends_are_percentiles_of_its_replicates(few):
    other = CompetingRisks(CAUSES)
    vars(other).update(vars(few))
    shares = []
    for x in few.bootstrap_.parameters:
        other.parameters_ = x
        other._derive()
        shares.append(other.failure_probability(AGES, 4.0, cause="wear").iloc[:, 0])
    low, high = few.confidence_interval(
        "cumulative_incidence", 4.0, cause="wear", ages=AGES, method="bootstrap"
    )
    for ends in (low, high):
        for end, each in zip(ends, np.array(shares).T, strict=True):
            assert np.abs(each / end - 1.0).min() < 1e-8
    assert np.all(np.mean(shares < low, axis=0) <= 0.1)
    assert np.all(np.mean(shares > high, axis=0) <= 0.1)


def test_one_seed_gives_one_set_of_replicates(few, tmp_path):
    again = CompetingRisks(CAUSES).fit(T, MASKED).bootstrap(40, random_state=3)
    np.testing.assert_array_equal(again.bootstrap_.parameters, few.bootstrap_.parameters)
    few.save(tmp_path / "few.json")
    same = load(tmp_path / "few.json")
    question = {"t": 4.0, "cause": "wear", "method": "bootstrap"}
    for curve in ("cumulative_incidence", "hazard"):
        found = [m.confidence_interval(curve, **question) for m in (few, same)]
        assert found[0] == found[1]


def test_lives_drawn_from_the_fit_end_of_causes_by_their_hazards(many):
    few = CompetingRisks(CAUSES).fit(*units(200)).bootstrap(100, "parametric", random_state=2)
    spread = few.bootstrap_.parameters.std(axis=0)
    np.testing.assert_allclose(spread, np.sqrt(np.diag(few.covariance_)), rtol=0.3)
    middle = few.bootstrap_.parameters.mean(axis=0) - few.parameters_
    assert np.all(np.abs(middle) < 0.5 * spread)


def test_what_has_no_replicates_is_said(few):
    with pytest.raises(ValueError, match="one of several causes: use kind='rows'"):
        few.bootstrap(20, "parametric")
    with pytest.raises(ValueError, match="no profile bounds"):
        few.confidence_interval("cumulative_incidence", 2.0, cause="wear", method="profile")
    with pytest.raises(ValueError, match="cause must be one of"):
        few.confidence_interval("cumulative_incidence", 2.0)
