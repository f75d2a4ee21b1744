"""Lifetimes made from values on natural scales: what cannot be is refused, and traced is not."""

import jax
import numpy as np
import pytest

from survjax.lifetimes import (
    BirnbaumSaunders,
    Cured,
    Exponential,
    ExponentiatedWeibull,
    Gamma,
    GeneralizedGamma,
    Gompertz,
    Gumbel,
    InverseGaussian,
    Logistic,
    LogLogistic,
    LogNormal,
    Mixture,
    Normal,
    PiecewiseExponential,
    Weibull,
    ZeroInflated,
)

#: A family, natural values, and the names of those that must be positive.
FAMILIES = [
    (Exponential, {"scale": 2.0}, ["scale"]),
    (Weibull, {"scale": 2.0, "shape": 1.5}, ["scale", "shape"]),
    (LogNormal, {"median": 2.0, "sigma": 0.5}, ["median", "sigma"]),
    (LogLogistic, {"scale": 2.0, "shape": 1.5}, ["scale", "shape"]),
    (Gamma, {"scale": 2.0, "shape": 1.5}, ["scale", "shape"]),
    (GeneralizedGamma, {"location": -1.0, "sigma": 0.5, "q": -0.3}, ["sigma"]),
    (Gompertz, {"rate": 0.1, "growth": -0.2}, ["rate"]),
    (Normal, {"mean": -1.0, "sd": 2.0}, ["sd"]),
    (Logistic, {"location": -1.0, "scale": 2.0}, ["scale"]),
    (Gumbel, {"location": -1.0, "scale": 2.0}, ["scale"]),
    (InverseGaussian, {"mean": 2.0, "lam": 1.0}, ["mean", "lam"]),
    (BirnbaumSaunders, {"scale": 2.0, "alpha": 0.5}, ["scale", "alpha"]),
    (
        ExponentiatedWeibull,
        {"scale": 2.0, "shape": 1.5, "power": 0.7},
        ["scale", "shape", "power"],
    ),
]


@pytest.mark.parametrize(("family", "values", "positive"), FAMILIES, ids=str)
def test_values_that_cannot_be_are_refused_by_name(family, values, positive):
    assert np.isfinite(family.of(**values).survival(1.0))
    for name in values:
        wrong = (np.nan, np.inf, -1.0, 0.0) if name in positive else (np.nan, np.inf)
        for value in wrong:
            with pytest.raises(ValueError, match=f"^{name} must be .*finite, got"):
                family.of(**(values | {name: value}))


def test_shares_weights_and_rates():
    base = Weibull.of(2.0, 1.5)
    for wrapped in (Cured, ZeroInflated):
        assert float(wrapped.of(base, 0.25).share) == pytest.approx(0.25)
        for share in (-0.1, 0.0, 1.0, np.nan):
            with pytest.raises(ValueError, match="^share must be between 0 and 1, got"):
                wrapped.of(base, share)
    with pytest.raises(ValueError, match=r"^weights must be positive and finite, got -0\.5"):
        Mixture.of([1.5, -0.5], Weibull.of([1.0, 2.0], [1.0, 1.0]))
    with pytest.raises(ValueError, match="^rates must be positive and finite, got -2"):
        PiecewiseExponential.of([1.0, -2.0], [3.0])


def test_values_may_be_arrays_and_may_be_differentiated():
    assert Weibull.of([1.0, 2.0], 1.0).log_scale.shape == (2,)
    slope = jax.grad(lambda scale: Weibull.of(scale, 1.0).survival(1.0))(2.0)
    assert float(slope) == pytest.approx(np.exp(-0.5) / 4.0, rel=1e-6)
    assert np.isnan(jax.jit(lambda s: Exponential.of(s).log_scale)(-1.0))
