"""Tails of the standardized log-gamma law and their derivatives, against 50-digit arithmetic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp, mpf

from survjax._core.precision import double_precision
from survjax._core.special.log_gamma_law import (
    log_gamma_density,
    log_gamma_hazard,
    log_gamma_tails,
)
from survjax._core.special.stirling import log_gamma_1p, stirling_remainder

#: Both sides of the mode, of q^2 = 1/3, and of x = max(a, 1), to q = 31.6 (a shape of 0.001).
FORMS = (0.05, -0.3, 0.57, 0.58, 0.9, 1.0, -1.3, 3.0, -31.6)
PLACES = (-30.0, -4.0, -0.5, 0.3, 2.0)
POINTS = np.array([(np.clip(w, -60 / abs(q), 4 / abs(q)), q) for q in FORMS for w in PLACES])
NAMES = ("log_cdf", "log_survival")
ORDERS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))


def exact_logs(w, q):
    """Logs of both tails of W."""
    mirrored, (w, q) = q < 0, (-w, -q) if q < 0 else (w, q)
    a = 1 / q**2
    x = a * mp.exp(q * w)
    tails = [
        mp.log(mp.gammainc(a, 0, x, regularized=True)),
        mp.log(mp.gammainc(a, x, mp.inf, regularized=True)),
    ]
    return tails[::-1] if mirrored else tails


@jax.jit
def tails_with_derivatives(w, q):
    """Both tails and their derivatives in the order of ORDERS."""
    one, zero = jnp.ones_like(w), jnp.zeros_like(w)

    def first(w, q):
        value, push = jax.linearize(lambda w, q: jnp.stack(log_gamma_tails(w, q)), w, q)
        return value, push(one, zero), push(zero, one)

    (value, along_w, along_q), push = jax.linearize(first, w, q)
    _, ww, wq = push(one, zero)
    return value, along_w, along_q, ww, wq, push(zero, one)[2]


@pytest.fixture(scope="module")
def found():
    with jax.enable_x64(True):
        return [np.asarray(part) for part in tails_with_derivatives(*POINTS.T)]


@pytest.mark.parametrize("side", [0, 1], ids=NAMES)
def test_tails_and_both_derivatives_hold_twelve_digits(found, side):
    with mp.workdps(45):
        for i, (w, q) in enumerate(POINTS):
            value = exact_logs(mpf(w), mpf(q))[side]
            # A tail of one within 1e-40 has a log that no fit sees.
            if abs(value) < 1e-40:
                continue
            for part, order in zip(found, ORDERS, strict=True):
                exact = value
                if any(order):
                    exact = mp.diff(lambda *at: exact_logs(*at)[side], (mpf(w), mpf(q)), order)
                error = abs(part[side, i] - exact)
                assert error <= 2e-12 * abs(exact) + 1e-300, (w, q, order, float(exact))


@double_precision
def test_the_law_passes_through_the_normal_one():
    w = jnp.linspace(-8.0, 8.0, 33)
    for q in (0.0, 1e-12, -1e-12):
        near = log_gamma_tails(w, jnp.float64(q))
        with mp.workdps(60):
            exact = [float(mp.log(mp.ncdf(float(v)))) for v in w]
        np.testing.assert_allclose(near.log_cdf, exact, rtol=1e-8 if q else 1e-13)
    slope = jax.jacfwd(lambda q: log_gamma_tails(w, q).log_survival)
    for below, above in [(-1e-7, 1e-7)]:
        np.testing.assert_allclose(
            slope(jnp.float64(below)), slope(jnp.float64(above)), rtol=1e-5, atol=1e-9
        )


@double_precision
def test_hazard_is_density_over_survival_and_tails_add_up_to_one():
    w, q = (jnp.asarray(part) for part in POINTS.T)
    hazard, tails = log_gamma_hazard(w, q), log_gamma_tails(w, q)
    density = log_gamma_density(w, q)
    np.testing.assert_allclose(hazard.log_hazard, density - hazard.log_survival, atol=1e-11)
    total = np.exp(tails.log_cdf) + np.exp(tails.log_survival)
    np.testing.assert_allclose(total, 1.0, rtol=1e-13)


@double_precision
def test_far_values_and_reverse_mode_stay_finite():
    w, q = np.meshgrid([-1e60, -1e6, 0.0, 1e3, 1e6, 1e60], [-30.0, -1.0, 0.0, 1e-5, 0.5, 30.0])
    w, q = jnp.asarray(w.ravel()), jnp.asarray(q.ravel())
    usual = jnp.abs(w) < 1e10

    def total(q):
        law = log_gamma_hazard(jnp.where(usual, w, 1.0), q)
        return jnp.sum(law.log_survival / 1e300)

    law = log_gamma_hazard(w, q)
    assert not np.isnan(np.asarray(law.log_survival)).any()
    assert np.isfinite(np.asarray(jax.grad(total)(q))).all()


@double_precision
def test_the_gamma_function_beside_stirlings_formula_has_relative_accuracy():
    a = np.concatenate([np.logspace(-12, 8, 41), [0.49, 0.51, 15.9, 16.1]])
    with mp.workdps(40):
        logs = [float(mp.loggamma(1 + mpf(x))) for x in a]
        rest = [
            float(mp.loggamma(x) - (x - 0.5) * mp.log(x) + x - mp.log(2 * mp.pi) / 2)
            for x in map(mpf, a)
        ]
    np.testing.assert_allclose(log_gamma_1p(jnp.asarray(a)), logs, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(stirling_remainder(jnp.asarray(1.0 / a)), rest, rtol=1e-12)
