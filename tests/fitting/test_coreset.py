"""Few rows that stand for many: nothing is lost, and intervals stand for their neighbors."""

import numpy as np
import pytest

from survjax import LifetimeModel, Observations, WeibullMixture
from survjax._core.precision import double_precision
from survjax.data.truncation_rows import with_truncation_rows
from survjax.fitting.coreset import compress, coresets
from survjax.lifetimes import LogNormal, Weibull
from survjax.likelihood.executors import CPU
from survjax.likelihood.objective import Objective
from survjax.likelihood.rows import contributions
from survjax.likelihood.vector.template import Template

N = 20_000


def mixed(n=N, seed=0, regular=False):
    """Failures seen exactly and between inspections, units still running, some entered late."""
    rng = np.random.default_rng(seed)
    life = np.where(rng.random(n) < 0.4, 6.0 * rng.weibull(1.1, n), 45.0 * rng.weibull(3.5, n))
    gap = np.full(n, 2.0) if regular else rng.uniform(0.5, 6.0, n)
    low = np.floor(life / gap) * gap
    high = low + gap
    end, seen = rng.uniform(10.0, 90.0, n), rng.random(n) < 0.2
    running = low > end
    low = np.where(running, end, np.where(seen, life, low))
    high = np.where(running, np.inf, np.where(seen, life, high))
    entry = np.where(rng.random(n) < 0.3, 0.3 * low, 0.0)
    return Observations.from_intervals(low, high, entry=entry)


def in_double(template, rows):
    objective = double_precision(Objective)(template, rows)
    return double_precision(objective.__call__), objective.in_memory.parts


def mean_term(lifetime, rows):
    terms = double_precision(contributions)(lifetime, rows)
    return np.sum(rows.weight * terms) / rows.n_units


@pytest.mark.parametrize("size", [200, 2048])
def test_few_rows_have_the_weight_and_nearly_the_likelihood_of_all(size):
    rows = with_truncation_rows(mixed())
    few = compress(rows, size)
    assert few.n_rows <= size + 1
    assert few.n_units == pytest.approx(rows.n_units, rel=1e-9)
    assert few.weight.sum() == pytest.approx(rows.weight.sum(), rel=1e-9)
    inside, all_inside = few.interval > 0, rows.interval > 0
    assert few.weight[inside].sum() == pytest.approx(rows.weight[all_inside].sum(), rel=1e-9)
    for scale, shape in ((30.0, 1.2), (12.0, 2.5), (60.0, 0.7)):
        lifetime = Weibull(np.log(scale), np.log(shape))
        assert mean_term(lifetime, few) == pytest.approx(mean_term(lifetime, rows), rel=20 / size)


def test_intervals_that_repeat_are_kept_as_they_are():
    rows = mixed(regular=True).without_padding().compressed()
    rows = with_truncation_rows(rows)
    few = compress(rows, 2048)
    kept = few.take(np.flatnonzero(few.interval))
    whole = rows.take(np.flatnonzero(rows.interval))
    np.testing.assert_allclose(np.sort(kept.lower), np.sort(whole.lower))
    assert kept.weight.sum() == pytest.approx(whole.weight.sum())


def test_few_rows_do_not_depend_on_the_order_of_all():
    rows = with_truncation_rows(mixed(seed=1))
    order = np.random.default_rng(2).permutation(rows.n_rows)
    for one, other in zip(coresets(rows), coresets(rows.take(order)), strict=True):
        left, right = (np.lexsort([r.weight, r.upper, r.lower]) for r in (one, other))
        np.testing.assert_allclose(one.lower[left], other.lower[right], rtol=1e-9)
        np.testing.assert_allclose(one.weight[left], other.weight[right], rtol=1e-6)


def test_rows_of_both_kinds_are_summed_apart_and_to_the_last():
    rows = mixed(2 * CPU.parts[1])
    for lifetime in (Weibull(3.2, 0.3), LogNormal(3.0, 0.2)):
        objective, parts = in_double(Template(lifetime), rows)
        kinds = {part.interval is None for part in parts}
        assert kinds == {True, False}
        value, gradient, hessian = objective(np.array([3.1, 0.25]))
        expected = rows.n_units * mean_term(type(lifetime)(3.1, 0.25), rows)
        assert value == pytest.approx(expected, rel=1e-11)
        step = 1e-5 * np.eye(2)
        slope = [
            (objective([3.1, 0.25] + s)[0] - objective([3.1, 0.25] - s)[0]) / 2e-5 for s in step
        ]
        np.testing.assert_allclose(gradient, slope, rtol=1e-5)
        assert np.all(np.linalg.eigvalsh(hessian) < 0)


@pytest.mark.parametrize("regular", [True, False])
def test_fits_to_many_intervals_end_at_the_maximum_on_all_rows(regular):
    rows = mixed(seed=3, regular=regular)
    model = WeibullMixture(2).fit(rows)
    assert model.converged_ and model.certificate_.decrement < 1e-6
    np.testing.assert_allclose(model.shapes_, [1.1, 3.5], rtol=0.15)
    np.testing.assert_allclose(model.scales_, [6.0, 45.0], rtol=0.1)
    single = LifetimeModel("loglogistic").fit(rows)
    objective, _ = in_double(single._template, rows)
    value, gradient, _ = objective(single.parameters_)
    assert value == pytest.approx(single.log_likelihood_, rel=1e-12)
    assert np.abs(gradient).max() < 1e-4 * np.sqrt(N)
