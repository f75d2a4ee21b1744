"""Cumulative incidences on panels that the host refines, against compiled ones and mpmath's."""

import numpy as np
import pytest

from survjax._core.precision import double_precision
from survjax.lifetimes import Competing, Exponential, Gompertz, Gumbel, LogNormal, Mixture, Weibull
from survjax.prediction.incidence import incidence
from tests.references import results


def shares(lifetime, t, ages=0.0):
    """Shares (K, n) that each cause has ended."""
    t, ages = np.broadcast_arrays(np.asarray(t, float), np.asarray(ages, float))
    causes = range(len(lifetime.causes))
    return np.stack([-np.expm1(-np.exp(incidence(lifetime, None, k, t, ages)[0])) for k in causes])


@double_precision
def test_incidences_are_those_of_the_reference(real_data):
    case = results(real_data, "derived_mpmath")["competing_weibull_cif"]
    parts = zip(*(map(float, case["params"][name]) for name in ("eta", "beta")), strict=True)
    lifetime = Competing(tuple(Weibull.of(a, b) for a, b in parts))
    t = [float(row["t"]) for row in case["values"]]
    expected = np.array([[float(x) for x in row["cif"]] for row in case["values"]]).T
    np.testing.assert_allclose(shares(lifetime, t), expected, rtol=1e-12)


def mixed():
    """A cause that is a mixture, with a narrow part long before the rest, among two others."""
    hidden = Weibull.of(scale=np.array([1e-3, 1.0]), shape=np.array([20.0, 3.0]))
    fleet = Mixture.of(np.array([0.1, 0.9]), hidden)
    return Competing((fleet, LogNormal(np.log(1.3), np.log(50.0)), Gompertz.of(0.01, 2.0)))


LIFETIMES = {
    "mixture": mixed,
    "flat and steep": lambda: Competing((Weibull.of(1.0, 0.2), Weibull.of(2.0, 60.0))),
    "some for ever": lambda: Competing((Gompertz.of(0.1, -0.5), Gompertz.of(0.2, -0.4))),
    "one": lambda: Competing((Weibull.of(3.0, 0.7),)),
    "born dead": lambda: Competing((Gumbel.of(1.0, 2.0), Exponential.of(5.0))),
}


@pytest.mark.parametrize("name", LIFETIMES)
@double_precision
def test_what_causes_end_is_what_the_survival_loses(name):
    lifetime = LIFETIMES[name]()
    t = np.array([0.0, 1e-9, 5e-4, 1.01e-3, 0.3, 1.29, 1.97, 3.0, 1e3, np.inf])
    for age in (0.0, 0.9):
        rest = lifetime.given(age)
        lost = np.asarray(rest.cdf(t))
        np.testing.assert_allclose(shares(lifetime, t, age).sum(axis=0), lost, rtol=1e-10)


@double_precision
def test_rare_causes_keep_their_digits():
    lifetime = Competing((Exponential.of(1.0), Weibull.of(2.0, 50.0)))
    # To first order in what little the rare cause does: the integral of h_2 exp(-t).
    t = np.array([0.02, 0.1])
    nodes, weights = np.polynomial.legendre.leggauss(60)
    u, w = 0.5 * (nodes + 1.0), 0.5 * weights
    expected = [(s / 2.0) ** 50 * np.sum(50.0 * w * u**49 * np.exp(-s * u)) for s in t]
    np.testing.assert_allclose(shares(lifetime, t)[1], expected, rtol=1e-9)


@double_precision
def test_errors_of_exponentials_are_those_of_the_formula():
    a, b = 3.0, 6.0
    lifetime = Competing((Exponential.of(a), Exponential.of(b)))
    t, covariance = np.array([0.5, 4.0, np.inf]), np.array([[0.02, 0.005], [0.005, 0.03]])
    values, errors = incidence(lifetime, covariance, 0, t, np.array([0.0, 2.0, 0.0]))

    def share(rates):
        total = rates.sum()
        return rates[0] / total * -np.expm1(-total * t)

    rates, step = np.array([1 / a, 1 / b]), 1e-6
    slopes = []
    for k in range(2):
        moved = [share(rates * np.exp(sign * step * np.eye(2)[k])) for sign in (-1.0, 1.0)]
        slopes.append((moved[0] - moved[1]) / (2 * step))
    f = share(rates)
    factor = 1.0 / ((1.0 - f) * -np.log1p(-f))
    expected = np.sqrt(np.einsum("kn,kj,jn->n", slopes, covariance, slopes)) * factor
    np.testing.assert_allclose(-np.expm1(-np.exp(values)), f, rtol=1e-12)
    np.testing.assert_allclose(errors, expected, rtol=1e-7)
