r"""Weibull mixtures on few plain rows: the pass of `Passes`, in NumPy.

A climb on some hundred exact and right-censored rows costs more in calls of a compiled program than
in arithmetic, and a first fit more in compiling it. With z = shape (log t - log scale), H = exp(z),
d = 1 for a failure and gap = d - H, a component's term q = d (log shape - log t + z) - H has

    s = [-shape gap, d + z gap],
    second derivatives [-shape^2 H, shape (z H - gap), z (gap - z H)],

so that the shapes need multiply the sums over rows only. What a mixture makes of those is
`assemble`'s. `Passes`, and behind it automatic
differentiation, is the oracle of its tests.
"""

from __future__ import annotations

import numpy as np

from survjax._core.numerics import MAX_EXPONENT
from survjax._core.observations import Observations
from survjax.inference.jets import HUGE
from survjax.inference.likelihood import assemble

#: Plain rows up to this many are faster here than in a compiled program.
FEW = 2048
#: Rows that BLAS sums without waking threads, which would take longer.
ONE_THREAD = 384
#: Terms of one component worked out at a time: their intermediate results stay in cache.
AT_ONCE = 4096


class SmallPasses:
    """Value, gradient and Hessian of Weibull mixtures on few exact and right-censored rows."""

    def __init__(self, rows: Observations) -> None:
        rows = rows.without_padding()
        self.y, self.event, self.weight = rows.log_lower, rows.event, rows.weight
        self.units = float(self.weight.sum())
        # The failures' log times add the same, whatever the mixture.
        self.failed = float((self.weight * self.event) @ self.y)
        self.width = max(AT_ONCE // max(rows.n_rows, 1), 1)

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value (B,), gradient (B, p) and Hessian (B, p, p) of the log-likelihood at x (B, p)."""
        # Far points underflow and overflow by design, whatever the caller has NumPy do then.
        with np.errstate(under="ignore", over="ignore", invalid="ignore"):
            found = [self._sums(x[i : i + self.width]) for i in range(0, len(x), self.width)]
        value, once, twice, weights = (
            found[0] if len(found) == 1 else map(np.concatenate, zip(*found, strict=True))
        )
        return value - self.failed, *assemble(weights, self.units, once, twice)

    def values(self, x: np.ndarray) -> np.ndarray:
        """The log-likelihood (B,) alone."""
        with np.errstate(under="ignore", over="ignore", invalid="ignore"):
            return self._terms(x)[0] - self.failed

    def _terms(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Sum of log densities and survivals, components' weights and shapes, z, H and shares."""
        k = (x.shape[1] + 1) // 3
        logits = np.zeros((len(x), k))
        logits[:, 1:] = x[:, : k - 1]
        top = logits.max(1, keepdims=True)
        weights = np.exp(logits - top)
        total = weights.sum(1, keepdims=True)
        weights /= total
        log_scale, log_shape = x[:, k - 1 : 2 * k - 1, None], x[:, 2 * k - 1 :, None]
        shape = np.exp(log_shape)
        z = self.y - log_scale
        z *= shape
        if z.max() < MAX_EXPONENT:
            h = np.exp(z)
        else:
            capped = np.minimum(z, MAX_EXPONENT)
            h = np.exp(capped) * (1.0 + (z - capped))
        share = z + log_shape
        share *= self.event
        share -= h
        share += (logits - top - np.log(total))[:, :, None]
        most = share.max(1, keepdims=True)
        share -= most
        np.exp(share, out=share)
        total = share.sum(1, keepdims=True)
        share /= total
        return (np.log(total) + most)[:, 0] @ self.weight, weights, shape[..., 0], z, h, share

    def _sums(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """What `assemble` takes, and the mixtures' weights."""
        value, weights, shape, z, h, share = self._terms(x)
        d, w, k = self.event, self.weight, weights.shape[1]
        # Scores for unit shapes and, apart, the curvatures that go with them.
        scores, curved = np.empty((len(x), 3, k, d.size)), np.empty((len(x), k, 3, d.size))
        r, first, second = scores.swapaxes(0, 1)
        r[:] = share
        bend, mixed, twisted = curved.transpose(2, 0, 1, 3)
        np.minimum(h, HUGE, out=h)
        gap = d - h
        slope = gap * z
        slope += d
        np.multiply(gap, gap, out=bend)
        bend -= h
        h *= z
        h -= gap
        np.multiply(gap, slope, out=mixed)
        np.subtract(h, mixed, out=mixed)
        h *= z
        np.multiply(slope, slope, out=twisted)
        twisted -= h
        np.multiply(share, gap, out=first)
        np.multiply(share, slope, out=second)
        share *= w
        scores = scores.reshape(len(x), 3 * k, -1)
        once, twice = np.zeros((len(x), 3 * k)), np.zeros((len(x), 3 * k, 3 * k))
        for i in range(0, d.size, ONE_THREAD):
            part, some = scores[:, :, i : i + ONE_THREAD], w[i : i + ONE_THREAD]
            once += part @ some
            twice += (part * some) @ part.mT
        bends = (curved @ share[..., None])[..., 0].swapaxes(1, 2)
        # What the shapes scale, they scale alike in every row.
        by = np.ones((len(x), 3, k))
        np.negative(shape, out=by[:, 1])
        by = by.reshape(once.shape)
        once *= by
        twice *= by[:, :, None] * by[:, None, :]
        bends[:, 1] *= shape
        shape *= shape
        bends[:, 0] *= shape
        once = np.concatenate([once, bends.reshape(once.shape)], axis=1)
        return value, once, twice, weights
