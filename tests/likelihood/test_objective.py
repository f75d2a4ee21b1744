"""The log-likelihood of any number of rows: parts, threads and truncation change no digit."""

import dataclasses

import numpy as np
import pytest

from survjax import Observations
from survjax._core.precision import double_precision
from survjax.lifetimes import LogNormal, Mixture, Weibull
from survjax.likelihood import all_rows as module
from survjax.likelihood.executors import CPU
from survjax.likelihood.objective import Objective
from survjax.likelihood.vector.template import Template
from survjax.likelihood.weibulls import weibull_template

TWO = weibull_template(2)
X = np.array([0.4, np.log(5.0), np.log(40.0), np.log(0.8), np.log(3.0)])


def columns(n, seed=0):
    rng = np.random.default_rng(seed)
    life = np.where(rng.random(n) < 0.4, 5 * rng.weibull(0.8, n), 40 * rng.weibull(3.0, n)) + 1e-9
    entry = np.where(rng.random(n) < 0.5, 0.3 * life, 0.0)
    weight = rng.choice([0.5, 1.0, 3.0], n)
    return np.minimum(life, 50.0), life < 50.0, entry, weight


def plain_log_likelihood(x, durations, events, entry, weight):
    """The textbook formula of two Weibulls, given survival until entry, by NumPy."""
    weights = np.exp([0.0, x[0]])
    weights = weights / weights.sum()
    shape = np.exp(x[3:])[:, None]
    log_h = shape * (np.log(durations) - x[1:3, None])
    density = weights @ (shape / durations * np.exp(log_h - np.exp(log_h)))
    survival = weights @ np.exp(-np.exp(log_h))
    late = weights @ np.exp(-((entry / np.exp(x[1:3, None])) ** shape))
    return weight @ np.log(np.where(events, density, survival) / late)


def central_differences(function, x, step=1e-5):
    ends = [[function(x + s * step * e) for s in (1, -1)] for e in np.eye(x.size)]
    return np.stack([(np.asarray(up) - down) / (2 * step) for up, down in ends], axis=-1)


@double_precision
def test_truncated_rows_have_the_likelihood_of_the_textbook():
    durations, events, entry, weight = columns(60)
    rows = Observations.from_durations(durations, events, entry=entry, sample_weight=weight)
    objective = Objective(TWO, rows)
    assert len(objective.in_memory.parts) == 1 and objective.in_memory.parts[0].n_rows == 128
    value, gradient, hessian = objective(X)

    def plain(x):
        return plain_log_likelihood(x, durations, events, entry, weight)

    assert value == pytest.approx(plain(X), rel=1e-13)
    np.testing.assert_allclose(gradient, central_differences(plain, X), atol=1e-6)
    curved = central_differences(lambda x: objective(x)[1], X)
    np.testing.assert_allclose(hessian, curved, rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-12)


@double_precision
def test_cutting_into_parts_changes_nothing_beyond_rounding(monkeypatch):
    durations, events, _, weight = columns(9000)
    rows = Observations.from_durations(durations, events, sample_weight=weight)
    exact = plain_log_likelihood(X, durations, events, 0.0 * durations, weight)

    def with_parts_of(large, small):
        own = dataclasses.replace(CPU, parts=(large, small))
        monkeypatch.setattr(module, "executor", lambda: own)
        return Objective(TWO, rows)

    whole, cut = with_parts_of(65_536, 32_768), with_parts_of(4096, 2048)
    assert all(part.weight.dtype == np.float64 for part in cut.in_memory.parts)
    assert [part.n_rows for part in whole.in_memory.parts] == [12_288]
    assert [part.n_rows for part in cut.in_memory.parts] == [4096, 4096, 2048]
    assert whole(X)[0] == pytest.approx(exact, rel=1e-13)
    for ours, theirs in zip(cut(X), whole(X), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-9)
    # The parts are added in their order, whoever works on them.
    for n in (1, 2, 7):
        monkeypatch.setattr(module, "n_threads", lambda n=n: n)
        for ours, again in zip(cut(X), Objective(TWO, rows)(X), strict=True):
            np.testing.assert_array_equal(ours, again)
    monkeypatch.setattr(module, "n_threads", lambda: 1)
    one = cut(X)
    monkeypatch.setattr(module, "n_threads", lambda: 3)
    for ours, theirs in zip(cut(X), one, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_large_data_are_cut_into_parts_of_two_sizes():
    large, small = CPU.parts
    n = 2 * large + small + 5
    rows = Observations.from_durations(np.arange(1.0, n + 1.0))
    sizes = [part.n_rows for part in module.parts_of(rows)]
    assert sizes == [large] * 2 + [small] * 2
    held = sum(float(part.weight.sum()) for part in module.parts_of(rows))
    assert held == n


@double_precision
def test_what_happens_to_the_callers_arrays_later_changes_nothing():
    durations, events, _, weight = columns(60)
    rows = Observations.from_durations(durations, events, sample_weight=weight).padded(128)
    own = rows._map(np.array)
    objective = Objective(TWO, own)
    before = objective(X)[0]
    for column in (own.lower, own.log_lower, own.weight):
        column[:] = 1.0
    assert objective(X)[0] == before


@double_precision
def test_a_mixture_of_two_families_is_the_sum_of_its_parts():
    durations, events, entry, weight = columns(60, 1)
    rows = Observations.from_durations(durations, events, entry=entry, sample_weight=weight)
    zero = np.zeros(1)
    template = Template(Mixture(zero, (Weibull(zero, zero), LogNormal(zero, zero))))
    x = np.array([0.3, 3.0, 0.4, 2.0, -0.2])
    at = {name: x[where] for name, where in template.positions.items()}
    first = Weibull(at["components[0].log_scale"][0], at["components[0].log_shape"][0])
    second = LogNormal(at["components[1].log_scale"][0], at["components[1].log_shape"][0])
    odds = float(np.exp(at["logits"][0]))

    def both(name, t):
        one, other = (np.asarray(getattr(part, name)(t)) for part in (first, second))
        return (one + odds * other) / (1.0 + odds)

    seen = np.where(events, both("density", durations), both("survival", durations))
    exact = weight @ np.log(seen / both("survival", entry))
    assert Objective(template, rows)(x)[0] == pytest.approx(exact, rel=1e-12)
