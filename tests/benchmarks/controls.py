"""What fits are timed against: code that a good engineer writes by hand for one problem."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize


def fleet(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Two sub-populations, about 30 % still running: durations and events."""
    rng = np.random.default_rng(seed)
    early = rng.random(n) < 0.4
    lives = np.where(early, 5 * rng.weibull(0.8, n), 40 * rng.weibull(3, n))
    limits = rng.uniform(10, 75, n)
    return np.minimum(lives, limits), lives <= limits


def mixture_by_hand(durations: np.ndarray, events: np.ndarray) -> float:
    """Two Weibulls by L-BFGS on hand-derived gradients, from one good start."""
    log_t, d = np.log(durations), events.astype(float)
    start = np.array([0.3, np.log(6.0), np.log(35.0), np.log(0.9), np.log(2.5)])

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        logit, scale, shape = x[0], x[1:3], np.exp(x[3:])
        log_weight = -np.logaddexp(0.0, [logit, -logit])
        z = shape[:, None] * (log_t - scale[:, None])
        h = np.exp(z)
        q = log_weight[:, None] + d * (x[3:, None] - log_t + z) - h
        top = np.maximum(q[0], q[1])
        e = np.exp(q - top)
        total = e[0] + e[1]
        r = e / total
        gap = d - h
        gradient = np.empty(5)
        gradient[0] = np.sum(r[1]) - d.size * np.exp(log_weight[1])
        gradient[1:3] = -shape * np.sum(r * gap, axis=1)
        gradient[3:] = np.sum(r * (d + z * gap), axis=1)
        n = d.size
        return -np.sum(top + np.log(total)) / n, -gradient / n

    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"gtol": 1e-8})
    return -found.fun * d.size


def weibull_by_hand(durations: np.ndarray, events: np.ndarray) -> tuple[float, float]:
    """One Weibull by Newton on the profile likelihood of its shape: scale, shape."""
    log_t = np.log(durations)
    center = log_t.max()
    x = log_t - center
    n_failed = events.sum()
    mean = x[events].mean()
    shape = 1.0
    for _ in range(50):
        power = np.exp(shape * x)
        s0, s1 = power.sum(), power @ x
        s2 = (power * x) @ x
        gap = s1 / s0 - 1.0 / shape - mean
        step = gap / (s2 / s0 - (s1 / s0) ** 2 + 1.0 / shape**2)
        shape = max(shape - step, 0.1 * shape)
        if abs(step) < 1e-10 * shape:
            break
    return float(np.exp(center + np.log(power.sum() / n_failed) / shape)), shape


@jax.jit
def yardstick(logit, log_scale, log_shape, log_t, event, weight):
    """The plain log-likelihood of a two-Weibull mixture over the whole array, never tuned."""
    log_weight = jax.nn.log_softmax(jnp.stack([0.0 * logit, logit]))
    z = jnp.exp(log_shape)[:, None] * (log_t - log_scale[:, None])
    q = log_weight[:, None] + event * (log_shape[:, None] - log_t + z) - jnp.exp(z)
    return jnp.sum(weight * jax.scipy.special.logsumexp(q, axis=0))
