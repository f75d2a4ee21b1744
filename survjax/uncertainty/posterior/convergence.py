"""Whether chains have come to one law, and how many independent draws they are worth.

Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021), Bayesian Analysis 16: chains are split in
halves, and draws replaced by the normal scores of their ranks, so that heavy tails do no harm.
"""

from __future__ import annotations

import numpy as np

#: What a chain must show: an R-hat below this, and this many independent draws each.
LARGEST_R_HAT, LEAST_DRAWS = 1.01, 100


def r_hat(draws: np.ndarray) -> float:
    """Rank-normalized split R-hat of draws (C, N): the larger of that of place and of spread."""
    halves = _split(draws)
    folded = np.abs(halves - np.median(halves))
    return max(_plain_r_hat(_scores(halves)), _plain_r_hat(_scores(folded)))


def bulk_size(draws: np.ndarray) -> float:
    """Effective sample size of draws (C, N) for their place."""
    return _effective_size(_scores(_split(draws)))


def tail_size(draws: np.ndarray) -> float:
    """Effective sample size for the quantiles at 5 and 95 %, the smaller."""
    halves = _split(draws)
    ends = np.quantile(halves, [0.05, 0.95])
    return min(_effective_size((halves <= end).astype(float)) for end in ends)


def _split(draws: np.ndarray) -> np.ndarray:
    """Chains (C, N) as twice as many of half the length."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, draws.shape[1] - half :]])


def _scores(draws: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks among all draws, equal ones sharing theirs."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    ranks = rankdata(draws, method="average").reshape(draws.shape)
    return np.asarray(ndtri((ranks - 0.375) / (draws.size + 0.25)))


def _plain_r_hat(draws: np.ndarray) -> float:
    """Root of total over within-chain variance (Gelman and Rubin 1992); 1 of what stands still."""
    n = draws.shape[1]
    within = float(np.mean(np.var(draws, axis=1, ddof=1)))
    between = float(np.var(np.mean(draws, axis=1), ddof=1))
    if within == 0.0:
        return 1.0 if between == 0.0 else np.inf
    return float(np.sqrt((n - 1) / n + between / within))


def _effective_size(draws: np.ndarray) -> float:
    """Draws over the sum of their autocorrelations, by Geyer's monotone sequence of pairs."""
    m, n = draws.shape
    covariance = _autocovariances(draws)
    within = float(np.mean(covariance[:, 0])) * n / (n - 1)
    total = within * (n - 1) / n
    if m > 1:
        total += float(np.var(np.mean(draws, axis=1), ddof=1))
    if total == 0.0:
        return float(m * n)
    rho = 1.0 - (within - np.mean(covariance, axis=0) * n / (n - 1)) / total
    rho[0] = 1.0
    pairs = rho[: n - n % 2].reshape(-1, 2).sum(axis=1)
    positive = int(np.argmax(pairs <= 0)) if np.any(pairs <= 0) else pairs.size
    kept = np.minimum.accumulate(pairs[: max(positive, 1)])
    # What is left of a positive lag beyond the last pair, as for antithetic chains.
    rest = max(float(rho[2 * positive]), 0.0) if 2 * positive < n else 0.0
    time = -1.0 + 2.0 * float(kept.sum()) + rest
    # More than this the estimate is not good for.
    return float(m * n / max(time, 1.0 / np.log10(m * n)))


def _autocovariances(draws: np.ndarray) -> np.ndarray:
    """Autocovariances of each chain (m, n) at all lags, divided by n."""
    n = draws.shape[1]
    away = draws - draws.mean(axis=1, keepdims=True)
    size = 1 << (2 * n - 1).bit_length()
    power = np.abs(np.fft.rfft(away, size, axis=1)) ** 2
    return np.fft.irfft(power, size, axis=1)[:, :n] / n
