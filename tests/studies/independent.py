"""A fit checked without the code that made it: plain NumPy and SciPy, other formulas.

The log-likelihood is written from the definition. Its gradient is a complex step (Squire and
Trapp 1998), exact to rounding; its Hessian, central differences of that gradient.
"""

from __future__ import annotations

import numpy as np

from tests.studies.generator import Problem

MAX_SHAPE, MIN_UNITS = 60.0, 1.5
#: A standard error above this on a log scale means that the likelihood only levels off there.
OPEN = 100.0


@np.errstate(divide="ignore")  # An interval may hold nothing of a component: log 0.
def log_likelihood(x: np.ndarray, problem: Problem) -> complex:
    """The log-likelihood at logits, log scales (over the unit of time) and log shapes.

    Times are divided by `unit(problem)`; the density's share of that is put back.
    """
    k = (x.size + 1) // 3
    unit_ = unit(problem)
    logits = np.concatenate([np.zeros(1, x.dtype), x[: k - 1]])
    log_weights = logits - _log_sum(logits)
    log_scale, shape = x[k - 1 : 2 * k - 1, None], np.exp(x[2 * k - 1 :, None])
    events, units = problem.events, problem.units
    terms = np.zeros(events.size, x.dtype)
    time = np.log(np.where(events, problem.upper, problem.lower) / unit_)
    if problem.resolution is None:
        z = shape * (time - log_scale)
        per = np.where(events, np.log(shape) + z - time, 0.0) - _exp(z)
        terms = _log_sum(log_weights[:, None] + per) - np.where(events, np.log(unit_), 0.0)
    else:
        bottom = np.where(events, np.maximum(problem.lower, 0.0), problem.lower) / unit_
        # A first step that starts at zero up to rounding does start at zero.
        bottom = np.where(events & (bottom < 1e-9 * problem.resolution / unit_), 0.0, bottom)
        at_zero = bottom == 0
        h_low = np.where(
            at_zero, 0.0, _exp(shape * (np.log(np.where(at_zero, 1.0, bottom)) - log_scale))
        )
        # H(upper) - H(lower) = H(upper) (1 - (lower / upper)^shape), free of cancellation.
        h_high = _exp(shape * (time - log_scale))
        ratio = np.log(np.where(at_zero | ~events, 0.5, bottom / np.exp(time)))
        grown = np.where(at_zero, h_high, h_high * -_expm1(shape * ratio))
        grown = np.where(events, grown, 1.0)
        inside = -h_low + np.log(-_expm1(-grown))
        terms = _log_sum(log_weights[:, None] + np.where(events, inside, -h_low))
    return np.sum(units * terms)


def unit(problem: Problem) -> float:
    """A time to measure in: the median duration."""
    return float(np.median(problem.durations))


def _log_sum(q: np.ndarray) -> np.ndarray:
    top = q.real.max(axis=0)
    return top + np.log(np.sum(np.exp(q - top), axis=0))


def _exp(z: np.ndarray) -> np.ndarray:
    """The exponential, held finite: exp(690) is zero survival on any scale."""
    return np.exp(np.where(z.real > 690, 690.0, z))


def _expm1(z: np.ndarray) -> np.ndarray:
    """exp(z) - 1 for complex steps too; NumPy's own is exact for real numbers."""
    if not np.iscomplexobj(z):
        return np.expm1(z)
    return np.expm1(z.real) + 1j * z.imag * np.exp(z.real)


def gradient(x: np.ndarray, problem: Problem) -> np.ndarray:
    """The gradient by complex steps."""
    steps = x + 1e-200j * np.eye(x.size)
    return np.array([log_likelihood(step, problem).imag for step in steps]) / 1e-200


def hessian(x: np.ndarray, problem: Problem) -> np.ndarray:
    """The Hessian by central differences of the gradient, of fourth order."""
    h = 1e-3
    rows = []
    for step in h * np.eye(x.size):
        near = gradient(x + step, problem) - gradient(x - step, problem)
        far = gradient(x + 2 * step, problem) - gradient(x - 2 * step, problem)
        rows.append((8 * near - far) / (12 * h))
    matrix = np.array(rows)
    return 0.5 * (matrix + matrix.T)


def verdict(
    problem: Problem,
    weights: np.ndarray,
    scales: np.ndarray,
    shapes: np.ndarray,
    stated: float | None = None,
) -> tuple[float, tuple[str, ...]]:
    """The log-likelihood of these parameters, and why they are not an interior maximum."""
    x = np.concatenate(
        [np.log(weights[1:] / weights[0]), np.log(scales / unit(problem)), np.log(shapes)]
    )
    value = float(log_likelihood(x, problem).real)
    words = []
    if not np.isfinite(value) or (
        stated is not None and abs(value - stated) > 1e-8 * (1 + abs(value))
    ):
        words.append("its parameters have another log-likelihood")
        return value, tuple(words)
    g, information = gradient(x, problem), -hessian(x, problem)
    diagonal = np.diag(information)
    if not np.all(np.isfinite(information)) or diagonal.min() <= 0:
        return value, ("the Hessian is not negative definite",)
    scale = 1 / np.sqrt(diagonal)
    scaled = information * np.outer(scale, scale)
    smallest = np.linalg.eigvalsh(scaled)[0]
    if smallest <= 0:
        words.append("the Hessian is not negative definite")
    elif (scale * np.sqrt(np.diag(np.linalg.inv(scaled)))).max() > OPEN:
        words.append("the likelihood levels off toward infinity")
    else:
        decrement = np.sqrt(np.abs((scale * g) @ np.linalg.solve(scaled, scale * g)))
        if decrement > 1e-4:
            words.append(f"the gradient is not zero (decrement {decrement:.1e})")
    if shapes.max() > MAX_SHAPE:
        words.append("a shape exceeds 60")
    if weights.min() * problem.units.sum() < MIN_UNITS:
        words.append("a component holds fewer than 1.5 units")
    return value, tuple(words)
