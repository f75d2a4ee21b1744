"""Building blocks against 50-digit arithmetic, with gradients that are never NaN."""

import jax
import numpy as np
import pytest
from mpmath import mp, mpf

from survjax._core.numerics import bucket_size, log1mexp, log1mexp_of_exp, logsumexp
from survjax._core.precision import double_precision
from survjax._core.quadrature import EXPONENTIAL_NODES, EXPONENTIAL_WEIGHTS


def exact(function, points):
    with mp.workdps(60):
        return np.array([float(function(mpf(float(x)))) for x in points])


@double_precision
def test_log1mexp_keeps_its_digits():
    x = np.concatenate([np.geomspace(1e-300, 700.0, 300), np.log(2) + np.linspace(-1e-9, 1e-9, 5)])
    truth = exact(lambda v: mp.log(-mp.expm1(-v)), x)
    np.testing.assert_allclose(log1mexp(x), truth, rtol=1e-13, atol=1e-300)
    slope = exact(lambda v: 1 / mp.expm1(v), x)
    np.testing.assert_allclose(jax.vmap(jax.grad(log1mexp))(x), slope, rtol=1e-12, atol=1e-300)


@double_precision
def test_log1mexp_of_exp_keeps_its_digits_from_end_to_end():
    z = np.concatenate([np.linspace(-700.0, 6.5, 400), [-30.0, 4.0, 50.0, 1e4, -1e4]])
    truth = exact(lambda v: mp.log(-mp.expm1(-mp.exp(v))) if v < 20 else -mp.exp(-mp.exp(v)), z)
    np.testing.assert_allclose(log1mexp_of_exp(z), truth, rtol=1e-13, atol=1e-30)
    for derivative in (jax.grad(log1mexp_of_exp), jax.grad(jax.grad(log1mexp_of_exp))):
        assert np.all(np.isfinite(jax.vmap(derivative)(z)))


@double_precision
def test_sums_on_the_log_scale_do_not_overflow():
    q = np.array([[-1e5, 700.0, -1e300], [-1e5, 710.0, -1e300]])
    np.testing.assert_allclose(logsumexp(q), np.logaddexp(*q), rtol=1e-15)
    assert np.all(np.isfinite(jax.jacobian(logsumexp)(q)))


def test_buckets_waste_a_quarter_at_most_and_are_few():
    sizes = [bucket_size(n) for n in range(1, 20_001)]
    assert all(size >= n for n, size in enumerate(sizes, start=1))
    assert all(size <= max(1.25 * n + 1, 64) for n, size in enumerate(sizes, start=1))
    assert len(set(sizes)) < 40
    assert [bucket_size(n) for n in (1, 64, 65, 80, 81, 128, 129)] == [64, 64, 80, 80, 96, 128, 160]
    assert all(bucket_size(size) == size for size in set(sizes))


@pytest.mark.parametrize("power", [0.0, 0.1, 1.0, 3.5])
def test_quadrature_reproduces_gamma_functions(power):
    truth = float(mp.gamma(1 + power))
    total = EXPONENTIAL_WEIGHTS @ EXPONENTIAL_NODES**power
    assert total == pytest.approx(truth, rel=1e-13)
