r"""One Weibull on exact and right-censored rows: its derivatives are sums of powers of time.

With y = log t, u = y - c (c the largest y), k the shape and s = c - log scale, all that
depends on the rows is

    M_j = sum of w u^j exp(k u),  j = 0, 1, 2,  and  D_j = sum of w d u^j,  j = 0, 1,

where d marks failures and w counts units (Cohen 1965). The general pass says the same and is the
oracle of its tests; it would cost the plainest of all fits a compilation.
"""

from __future__ import annotations

import numpy as np

from survjax._core.observations import Observations

#: Rows at a time: their powers stay in cache.
CHUNK = 8_192


class PowerSums:
    """Value, gradient and Hessian of one Weibull on plain rows, as `Passes` gives them."""

    def __init__(self, rows: Observations) -> None:
        rows = rows.without_padding()  # rows of no weight must not set the scale
        weight = rows.weight
        self.center = float(rows.log_lower.max())
        self.u = rows.log_lower - self.center
        self.weight = None if np.all(weight == weight[0]) else weight
        self.unit = float(weight[0]) if self.weight is None else 1.0
        held = rows.event if self.weight is None else rows.event * weight
        self.n_failed = self.unit * float(held.sum())
        self.failed_u = self.unit * float(held @ self.u)

    def moments(self, shape: float) -> tuple[float, float, float]:
        """M_0, M_1 and M_2 at a shape."""
        total = np.zeros(3)
        for start in range(0, self.u.shape[0], CHUNK):
            u = self.u[start : start + CHUNK]
            power = np.exp(shape * u)
            if self.weight is not None:
                power *= self.weight[start : start + CHUNK]
            total[0] += power.sum()
            total[1] += power @ u
            power *= u
            total[2] += power @ u
        once, twice, thrice = (self.unit * total).tolist()
        return once, twice, thrice

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value (B,), gradient (B, 2) and Hessian (B, 2, 2) at log scales and log shapes (B, 2)."""
        found = [self._at(float(b), float(a)) for b, a in x]
        value, gradient, hessian = (np.array(part) for part in zip(*found, strict=True))
        return value, gradient, hessian

    def _at(self, log_scale: float, log_shape: float) -> tuple[float, list, list]:
        """One point. E_j are the sums of w z^j exp(z), z = k (y - log scale)."""
        with np.errstate(over="ignore", invalid="ignore"):
            k, s = float(np.exp(log_shape)), self.center - log_scale
            m0, m1, m2 = self.moments(k)
            factor = np.exp(k * s)
            e0 = factor * m0
            e1 = k * factor * (m1 + s * m0)
            e2 = k * k * factor * (m2 + 2.0 * s * m1 + s * s * m0)
            n, z = self.n_failed, k * (self.failed_u + s * self.n_failed)
            failed_log_time = self.failed_u + self.center * n
            value = n * log_shape - failed_log_time + z - e0
            gradient = [-k * (n - e0), n + z - e1]
            mixed = k * (e1 - n + e0)
            return value, gradient, [[-k * k * e0, mixed], [mixed, z - e1 - e2]]
