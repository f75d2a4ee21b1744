"""A Weibull mixture in 50 decimal digits, written from the textbook and from nothing else."""

from dataclasses import dataclass

import numpy as np
from mpmath import mp, mpf

from survjax.lifetimes import Mixture, Weibull


@dataclass(frozen=True)
class Oracle:
    """Logits (K - 1), log scales (K) and log shapes (K), taken as the exact doubles they are."""

    logits: tuple
    log_scale: tuple
    log_shape: tuple

    @classmethod
    def of(cls, logits, log_scale, log_shape):
        """Make one from arrays."""
        mp.dps = 50
        return cls(*(tuple(mpf(float(v)) for v in a) for a in (logits, log_scale, log_shape)))

    @classmethod
    def from_vector(cls, x):
        """Make one from the raveled parameters: logits, log scales, log shapes."""
        k = (len(x) + 1) // 3
        return cls.of(x[: k - 1], x[k - 1 : 2 * k - 1], x[2 * k - 1 :])

    def weights(self):
        odds = [mpf(1), *(mp.exp(v) for v in self.logits)]
        total = mp.fsum(odds)
        return [v / total for v in odds]

    def hazards(self, t):
        """Each component's cumulative hazard (t / scale)^shape."""
        if t == 0:
            return [mpf(0)] * len(self.log_scale)
        pairs = zip(self.log_scale, self.log_shape, strict=True)
        return [mp.exp(mp.exp(shape) * (mp.log(t) - scale)) for scale, shape in pairs]

    def survival(self, t):
        return mp.fsum(w * mp.exp(-h) for w, h in zip(self.weights(), self.hazards(t), strict=True))

    def failed(self, t):
        pairs = zip(self.weights(), self.hazards(t), strict=True)
        return mp.fsum(w * -mp.expm1(-h) for w, h in pairs)

    def cumulative_hazard(self, t):
        failed = self.failed(t)
        return -mp.log1p(-failed) if failed < 0.5 else -mp.log(self.survival(t))

    def density(self, t):
        parts = zip(self.weights(), self.hazards(t), self.log_shape, strict=True)
        return mp.fsum(w * mp.exp(shape) / t * h * mp.exp(-h) for w, h, shape in parts)

    def hazard(self, t):
        return self.density(t) / self.survival(t)

    def interval(self, lower, upper):
        """P(lower < T <= upper); each component's difference in full precision."""
        above = [mp.inf] * len(self.log_scale) if upper == mp.inf else self.hazards(upper)
        parts = zip(self.weights(), self.hazards(lower), above, strict=True)
        return mp.fsum(w * mp.exp(-low) * -mp.expm1(low - high) for w, low, high in parts)

    def residual_mean(self, age):
        """Sum of w (scale / shape) Gamma(1 / shape, H(age)) over S(age)."""
        total = mpf(0)
        parts = zip(self.weights(), self.hazards(age), self.log_scale, self.log_shape, strict=True)
        for w, h, scale, shape in parts:
            power = mp.exp(-shape)
            total += w * mp.exp(scale) * power * mp.gammainc(power, h)
        return total / self.survival(age)

    def row(self, *, lower, upper=None, event, entry=0.0, exit=np.inf):
        """Log-likelihood of one row: exact or right-censored at lower, or in (lower, upper]."""
        lower, entry = mpf(float(lower)), mpf(float(entry))
        seen = mp.log(self.interval(entry, mp.inf if np.isinf(exit) else mpf(float(exit))))
        if upper is not None:
            return mp.log(self.interval(lower, mpf(float(upper)))) - seen
        if event:
            return mp.log(self.density(lower)) - seen
        return mp.log(self.survival(lower)) - seen


def weibulls(x):
    """The library's mixture of the same vector (3K - 1,), which may be traced."""
    k = (x.shape[-1] + 1) // 3
    return Mixture(x[: k - 1], Weibull(x[k - 1 : 2 * k - 1], x[2 * k - 1 :]))


def random_vectors(rng, k, n, spread=1.0):
    """Raveled parameters (n, 3k - 1): scales from 1e-9 to 1e12, shapes 0.3 to 8, any weights."""
    unit = rng.uniform(np.log(1e-9), np.log(1e12), (n, 1))
    weights = 0.02 + 0.98 * rng.dirichlet(np.ones(k), n)
    logits = np.log(weights[:, 1:]) - np.log(weights[:, :1])
    log_scale = unit + spread * rng.uniform(0.0, np.log(150.0), (n, k))
    return np.hstack([logits, log_scale, rng.uniform(np.log(0.3), np.log(8.0), (n, k))])
