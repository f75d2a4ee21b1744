"""Convergence measures of chains, against loops that follow their definitions."""

import numpy as np
import pytest
from scipy import stats

from survjax.uncertainty.posterior.convergence import bulk_size, r_hat, tail_size


def slow_r_hat(chains):
    """Split chains, ranks and R-hat, one number at a time."""
    n = chains.shape[1] // 2
    halves = [part for chain in chains for part in (chain[:n], chain[-n:])]

    def plain(parts):
        everything = np.concatenate(parts)
        order = [np.sum(everything < v) + 0.5 * (np.sum(everything == v) + 1) for v in everything]
        z = stats.norm.ppf((np.array(order) - 0.375) / (everything.size + 0.25))
        z = z.reshape(len(parts), n)
        within = np.mean([np.sum((c - c.mean()) ** 2) / (n - 1) for c in z])
        means = [c.mean() for c in z]
        between = n * np.sum((means - np.mean(means)) ** 2) / (len(means) - 1)
        return np.sqrt(((n - 1) / n * within + between / n) / within)

    middle = np.median(np.concatenate(halves))
    return max(plain(halves), plain([np.abs(c - middle) for c in halves]))


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_r_hat_is_that_of_its_definition(shift):
    rng = np.random.default_rng(0)
    chains = rng.standard_cauchy((3, 61)) + shift * np.arange(3)[:, None]
    assert r_hat(chains) == pytest.approx(slow_r_hat(chains), rel=1e-12)
    assert (r_hat(chains) < 1.05) == (shift == 0.0)


def test_chains_of_different_spread_do_not_agree():
    rng = np.random.default_rng(1)
    chains = rng.normal(size=(4, 500)) * np.array([1.0, 1.0, 1.0, 3.0])[:, None]
    assert r_hat(chains) > 1.05


@pytest.mark.parametrize("rho", [-0.4, 0.0, 0.8])
def test_sizes_are_those_of_an_autoregression(rho):
    """Draws of an AR(1) are worth (1 - rho) / (1 + rho) each."""
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(4, 20_000)) * np.sqrt(1.0 - rho**2)
    chains = np.empty_like(noise)
    chains[:, 0] = rng.normal(size=4)
    for i in range(1, noise.shape[1]):
        chains[:, i] = rho * chains[:, i - 1] + noise[:, i]
    expected = chains.size * (1.0 - rho) / (1.0 + rho)
    # Ranks and indicators change the correlations somewhat.
    assert bulk_size(np.exp(5.0 * chains)) == pytest.approx(expected, rel=0.1)
    if rho >= 0:
        assert tail_size(chains) >= 0.9 * expected


def test_monotone_changes_of_scale_change_no_measure_of_the_bulk():
    rng = np.random.default_rng(3)
    chains = np.cumsum(rng.normal(size=(4, 300)), axis=1)
    assert r_hat(chains) > 1.1
    assert bulk_size(np.exp(0.1 * chains)) == pytest.approx(bulk_size(chains), rel=1e-9)
    assert bulk_size(chains) < 100
