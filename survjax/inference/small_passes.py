r"""Weibull mixtures on few plain rows: the pass of `Passes`, in NumPy.

A climb on some hundred exact and right-censored rows costs more in calls of a compiled program than
in arithmetic, and a first fit more in compiling it. With z = shape (log t - log scale), H = exp(z),
d = 1 for a failure and gap = d - H, a component's term q = d (log shape - log t + z) - H has

    s = [-shape gap, d + z gap],
    second derivatives [-shape^2 H, shape (z H - gap), z (gap - z H)],

and what a mixture makes of them is `assemble`'s. `Passes`, and behind it automatic
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

    def _sums(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """What `assemble` takes, and the mixtures' weights."""
        d, w = self.event, self.weight
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
        share *= d
        share -= h
        share += (logits - top - np.log(total))[:, :, None]
        most = share.max(1, keepdims=True)
        share -= most
        np.exp(share, out=share)
        total = share.sum(1, keepdims=True)
        value = (np.log(total) + most)[:, 0] @ w
        # Shares, scores and curvatures: the tables that are summed over rows.
        table = np.empty((len(x), 6, k, d.size))
        r, first, second, bend, mixed, curved = table.swapaxes(0, 1)
        np.divide(share, total, out=r)
        np.minimum(h, HUGE, out=h)
        gap = d - h
        np.multiply(gap, -shape, out=first)
        np.multiply(gap, z, out=second)
        second += d
        zh = z * h
        h *= shape * shape
        np.multiply(first, first, out=bend)
        bend -= h
        np.subtract(zh, gap, out=mixed)
        mixed *= shape
        mixed += first * second
        gap -= zh
        np.multiply(gap, z, out=curved)
        curved += second * second
        table[:, 1:] *= table[:, :1]
        table = table.reshape(len(x), 6 * k, -1)
        once, twice = np.zeros((len(x), 6 * k)), np.zeros((len(x), 3 * k, 3 * k))
        for i in range(0, d.size, ONE_THREAD):
            part, held = table[:, :, i : i + ONE_THREAD], w[i : i + ONE_THREAD]
            scores = part[:, : 3 * k]
            once += part @ held
            twice += (scores * held) @ scores.mT
        return value, once, twice, weights
