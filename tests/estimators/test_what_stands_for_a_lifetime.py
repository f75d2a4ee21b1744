"""Classes, names, estimators and lists where a lifetime belongs: each gets one clear line."""

import jax
import numpy as np
import pandas as pd
import pytest

from survjax import (
    AcceleratedLifetime,
    CompetingRisks,
    LifetimeModel,
    WeibullMixture,
    compare,
    fit_groups,
)
from survjax._core.pytree import parameter, pytree
from survjax.lifetimes import (
    Cured,
    Lifetime,
    LogNormal,
    Mixture,
    PiecewiseExponential,
    ProportionalOdds,
    Weibull,
    ZeroInflated,
)

LIVES = [3.0, 5.0, 8.0, 9.0, 12.0, 20.0]
PAIR = (Weibull(0.0, 0.0), LogNormal(0.0, 0.0))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Weibull, r"such as Weibull\(0.0, 0.0\), got the class Weibull itself"),
        (Cured, r"such as Cured\(Weibull\(0.0, 0.0\), 0.0\), got the class Cured itself"),
        (Mixture, r"such as Mixture\(\[0.0\], Weibull\(\[0.0, 0.0\], \[0.0, 0.0\]\)\)"),
        (PiecewiseExponential, r"such as PiecewiseExponential.with_cuts\(...\)"),
        (Cured("weibull", 0.0), "base of Cured in lifetime must be a Lifetime, .* 'weibull'"),
        (Cured(Weibull, 0.0), r"base of Cured in .* such as Weibull\(0.0, 0.0\), got the class"),
        (Cured(3.0, 0.0), "base of Cured in lifetime must be a Lifetime, .* got float"),
        (ZeroInflated(WeibullMixture(2), 0.0), "base of ZeroInflated .* got WeibullMixture"),
        (ZeroInflated(Cured("x", 0.0), 0.0), "base of Cured in base of ZeroInflated in lifetime"),
        (ProportionalOdds("weibull", 0.3), "base of ProportionalOdds in lifetime must be"),
        (Mixture([0.0], list(PAIR)), "components of Mixture .* make the list a tuple"),
        (Mixture(PAIR, [0.0]), "logits of Mixture in lifetime must be numbers, got tuple: write"),
        (Weibull("a", "b"), "log_scale of Weibull in lifetime must be numbers, got str"),
        (WeibullMixture, "lifetime must be the name of a family or a Lifetime, got type"),
    ],
)  # fmt: skip
def test_what_is_no_lifetime_is_refused_however_deep_it_stands(given, message):
    with pytest.raises(ValueError, match=message):
        LifetimeModel(given).fit(LIVES)


def test_every_estimator_asks_the_same():
    wrong = Cured("weibull", 0.0)
    with pytest.raises(ValueError, match="cause 1: base of Cured in lifetime"):
        CompetingRisks({1: wrong, 2: "weibull"}).fit(LIVES, [1, 2, 1, 2, 1, 0])
    with pytest.raises(ValueError, match="base of Cured in family"):
        AcceleratedLifetime(wrong).fit(np.eye(6)[:, :1], LIVES)
    with pytest.raises(ValueError, match="got type"):
        compare([WeibullMixture], LIVES)


def test_a_call_without_its_values_says_what_it_takes():
    with pytest.raises(TypeError, match=r"Weibull takes log_scale, log_shape, or Weibull.of\("):
        Weibull()
    with pytest.raises(TypeError, match="Cured takes base, logit_cured_share, or .* missing 1"):
        Cured(Weibull(0.0, 0.0))
    with pytest.raises(TypeError, match="unexpected keyword argument 'scale'"):
        Weibull(scale=3.0, shape=2.0)


def test_numbers_beside_the_parameters_of_a_lifetime_of_ones_own_stay_what_they_are():
    @pytree
    class Slowed(Lifetime):
        log_rate: jax.Array = parameter()
        known: float = 2.0

        def cumulative_hazard(self, t):
            return (jax.numpy.exp(self.log_rate) * t) ** self.known

    assert LifetimeModel(Slowed(0.0)).fit(LIVES).converged_


def test_groups_take_a_name_or_a_lifetime_as_one_sample_does():
    table = pd.DataFrame({"site": [1, 1, 1, 2, 2, 2], "life": LIVES})
    named = fit_groups(table, "site", duration="life", model="lognormal")
    same = fit_groups(table, "site", duration="life", model=LogNormal(0.0, 0.0))
    np.testing.assert_allclose(named.table["scale"], same.table["scale"], rtol=1e-8)
    with pytest.raises(ValueError, match="the name of a family, a Lifetime, a LifetimeModel"):
        fit_groups(table, "site", duration="life", model=WeibullMixture)
