"""Profile bounds of causes that are fitted together, against profiles by SciPy's own searches."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from survjax import CompetingRisks, load

#: Half of the chi-squared quantile of 95 %.
FALL = 1.9207294103470603


def sample():
    """Times, and causes of which every fifth is not known."""
    rng = np.random.default_rng(3)
    wear, shock = 10.0 * rng.weibull(2.0, 120), 14.0 * rng.weibull(1.0, 120)
    times = np.minimum(np.minimum(wear, shock), 9.0)
    cause = [
        None if t >= 9.0 else ("wear" if t == w else "shock")
        for t, w in zip(times, wear, strict=True)
    ]
    cause = [{"wear", "shock"} if c and i % 5 == 0 else c for i, c in enumerate(cause)]
    return times, cause


def log_likelihood(times, cause, wear, shock):
    """Of two Weibulls (scale, shape) by plain formulas."""
    logs = [np.log(k / s) + (k - 1.0) * np.log(times / s) for s, k in (wear, shock)]
    total = -sum((times / s) ** k for s, k in (wear, shock))
    for i, known in enumerate(cause):
        if known is not None:
            names = known if isinstance(known, set) else {known}
            some = [
                log[i] for name, log in zip(("wear", "shock"), logs, strict=True) if name in names
            ]
            total[i] += np.logaddexp.reduce(some)
    return total.sum()


def profile_by_scipy(fall, best, i):
    """Where the fall from the maximum, least over all but one entry, reaches the level."""

    def gap(value):
        def least(rest):
            return fall(np.insert(rest, i, value))

        return minimize(least, np.delete(best, i), method="BFGS").fun - FALL

    return brentq(gap, best[i] - 1.5, best[i]), brentq(gap, best[i], best[i] + 1.5)


@pytest.fixture(scope="module")
def masked():
    return CompetingRisks({"wear": "weibull", "shock": "exponential"}).fit(*sample())


def test_bounds_of_masked_causes_are_those_of_the_joint_likelihood(masked):
    times, cause = sample()
    best = masked.parameters_

    def fall(x):
        scale, shape, other = np.exp(x)
        return masked.log_likelihood_ - log_likelihood(times, cause, (scale, shape), (other, 1.0))

    for i, curve in enumerate(("scale", "shape")):
        found = masked.confidence_interval(curve, cause="wear", method="profile")
        assert found == pytest.approx(np.exp(profile_by_scipy(fall, best, i)), rel=1e-5)

    def fall_of_survival(x):
        # The log of the hazard of both at 4 takes the place of the shock's scale.
        scale, shape = np.exp(x[:2])
        rest = np.exp(x[2]) - (4.0 / scale) ** shape
        return fall(np.append(x[:2], np.log(4.0 / rest))) if rest > 0 else 1e9

    at = np.append(best[:2], np.log(-np.log(masked.survival(4.0))))
    low, high = np.exp(-np.exp(profile_by_scipy(fall_of_survival, at, 2)[::-1]))
    found = masked.confidence_interval("survival", 4.0, method="profile")
    assert found == pytest.approx((low, high), rel=1e-4)


def test_a_shared_parameter_has_one_profile():
    times, cause = sample()
    model = CompetingRisks(
        {"wear": "weibull", "shock": "weibull"}, shared={"shape": ["wear", "shock"]}
    ).fit(times, cause)

    def fall(x):
        first, shape, second = np.exp(x)
        both = (first, shape), (second, shape)
        return model.log_likelihood_ - log_likelihood(times, cause, *both)

    best = model.parameters_[[0, 1, 2]]
    expected = np.exp(profile_by_scipy(fall, best, 1))
    for label in ("wear", "shock"):
        found = model.confidence_interval("shape", cause=label, method="profile")
        assert found == pytest.approx(expected, rel=1e-5)


def test_profiles_need_rows_and_are_not_of_what_a_cause_ends(masked, tmp_path):
    with pytest.raises(ValueError, match="no profile bounds"):
        masked.confidence_interval("cumulative_incidence", 2.0, cause="wear", method="profile")
    masked.save(tmp_path / "model.json")
    again = load(tmp_path / "model.json")
    for given in ({"cause": "wear"}, {}):
        with pytest.raises(ValueError, match='method="profile" needs the rows'):
            again.confidence_interval("survival", 3.0, method="profile", **given)
