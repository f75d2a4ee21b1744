"""The search finds the highest interior maximum, and says what speaks against one that is not."""

import dataclasses

import numpy as np
import pytest

from survjax import Observations
from survjax._core.precision import double_precision
from survjax.fitting.interior import Interior, violations
from survjax.fitting.local_maxima import Maximizer
from survjax.fitting.scan_statistic import with_nothing
from survjax.fitting.search import search
from survjax.fitting.settings import Settings
from survjax.fitting.starts import representative
from survjax.likelihood.weibulls import weibull_template
from survjax.optimize import ResultCode
from tests.studies.generator import problem
from tests.studies.hard_mixtures import fitted

RULE = Interior()
SETTINGS = Settings(n_starts=24, rule=RULE)


def hard_rows(seed, size=(15, 60), groups=2):
    """A small, heavily censored or overlapping sample of a mixture with random parameters."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(*size))
    shape = np.exp(rng.uniform(np.log(0.4), np.log(8), groups))
    scale = np.exp(np.cumsum(rng.uniform(0, np.log(60), groups)))
    label = rng.choice(groups, n, p=rng.dirichlet(np.full(groups, 2.0)))
    life = scale[label] * rng.weibull(shape[label])
    limit = np.quantile(life, 1 - rng.choice([0.0, 0.3, 0.6]))
    return Observations.from_durations(np.minimum(life, limit), life <= limit)


def from_random_starts(rows, k, n, seed):
    """The best interior maximum from many random starts: every pair of shape, scale and weight."""
    rng = np.random.default_rng(seed)
    log_time, event = representative(rows)
    scales = rng.choice(log_time[event > 0], (n, k)) + rng.normal(0, 0.05, (n, k))
    shapes = rng.uniform(np.log(0.4), np.log(30), (n, k))
    starts = np.hstack([rng.normal(0, 1.5, (n, k - 1)), scales, shapes])
    template, limits = weibull_template(k), SETTINGS.limits(k, rows.n_units)
    found = Maximizer(template, rows)(starts, limits)
    values = [c.value for c in found if not violations(c, template, RULE, rows.n_units)]
    return max(values, default=-np.inf)


def single_weibull(rows):
    return search(weibull_template(1), rows, Settings()).best


def faults_of_single(rows):
    return violations(single_weibull(rows), weibull_template(1), RULE, rows.n_units)


@double_precision
def compare(seed, k, n_random, **kind):
    rows = hard_rows(seed, **kind)
    if rows.n_events < 4 * k or faults_of_single(rows):
        return None
    found = search(weibull_template(k), rows, SETTINGS)
    ours = -np.inf if found.violations else found.best.value
    theirs = from_random_starts(rows, k, n_random, seed)
    return None if max(ours, theirs) == -np.inf else ours - theirs


@pytest.mark.parametrize(("k", "seeds"), [(2, 12), (3, 5)])
def test_search_reaches_what_a_hundred_random_starts_reach(k, seeds):
    gaps = [compare(seed, k, 100) for seed in range(seeds)]
    compared = [gap for gap in gaps if gap is not None]
    assert len(compared) >= seeds // 2
    assert min(compared) > -1e-6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("k", "kind", "least"),
    [
        (2, {"size": (15, 60)}, 0.99),
        (2, {"size": (80, 250)}, 0.99),
        (3, {"size": (15, 60)}, 0.95),
        (3, {"size": (80, 250), "groups": 3}, 0.95),
    ],
)
def test_search_reaches_what_three_hundred_random_starts_reach_nearly_always(k, kind, least):
    gaps = [compare(1000 + seed, k, 300, **kind) for seed in range(150)]
    compared = np.array([gap for gap in gaps if gap is not None])
    assert np.mean(compared > -1e-6) >= least, np.flatnonzero(compared <= -1e-6)


@double_precision
def test_more_components_never_fit_worse_and_every_answer_is_interior():
    for seed in range(4):
        rows = hard_rows(seed, size=(60, 120))
        best = single_weibull(rows)
        values = [best.value]
        for k in (2, 3):
            found = search(weibull_template(k), rows, SETTINGS)
            if not found.violations:
                assert violations(found.best, weibull_template(k), RULE, rows.n_units) == ()
                assert np.exp(found.best.x[2 * k - 1 :]).max() <= RULE.max_shape
                assert np.all(np.linalg.eigvalsh(found.best.hessian) < 0)
                assert np.abs(found.best.gradient).max() < 1e-6 * rows.n_units
                values.append(found.best.value)
        assert np.all(np.diff(values) > -1e-9)


@double_precision
def test_every_start_is_counted_with_the_maximum_that_it_led_to():
    rows = hard_rows(0, size=(60, 61))
    found = search(weibull_template(2), rows, SETTINGS)
    assert found.n_agreeing == found.best.n_agreeing >= 1
    assert found.n_starts >= 4
    counted = [end.n_agreeing for end in (found.best, *found.others)]
    assert sum(counted) == found.n_starts
    assert max(counted) > 1  # several of them lie in one basin


@double_precision
def test_a_lower_limit_on_shapes_changes_the_answer_to_one_inside():
    # Failures that crowd within a percent: a maximum of shape 35 is interior, or is not.
    rng = np.random.default_rng(5)
    life = np.r_[30.0 * rng.weibull(1.2, 40), 20.0 * rng.weibull(40.0, 15)]
    rows = Observations.from_durations(life)
    wide = search(weibull_template(2), rows, SETTINGS)
    assert wide.violations == ()
    steepest = np.exp(wide.best.x[3:]).max()
    assert 20 < steepest < 60
    narrower = dataclasses.replace(SETTINGS, rule=Interior(max_shape=0.8 * steepest))
    narrow = search(weibull_template(2), rows, narrower)
    assert np.exp(narrow.best.x[3:]).max() <= 0.8 * steepest
    assert narrow.best.value < wide.best.value


@double_precision
def test_each_fault_has_its_word():
    rows = hard_rows(0, size=(60, 61))
    template = weibull_template(2)
    good = search(template, rows, SETTINGS).best
    assert violations(good, template, RULE, rows.n_units) == ()

    def words(**changes):
        changed = dataclasses.replace(good, **changes)
        return " ".join(violations(changed, template, RULE, rows.n_units))

    steep, empty = good.x.copy(), good.x.copy()
    steep[3], empty[0] = np.log(61.0), -5.0
    flat = good.hessian.copy()
    flat[:, 0] = flat[0, :] = 0.0
    flat[0, 0] = -1e-9
    twin = good.hessian - np.diag(np.diag(good.hessian)) * (1 - 1e-14)
    assert "collapses on one time (shape over 60)" in words(x=steep)
    assert "fewer than 1.5 expected units" in words(x=empty)
    assert "did not converge" in words(code=int(ResultCode.STALLED))
    assert "not finite" in words(value=np.nan)
    assert "not negative definite" in words(hessian=-good.hessian)
    assert "not negative definite" in words(hessian=twin)
    assert "leave a parameter open" in words(hessian=flat)
    for broken in (np.nan, np.inf, -np.inf, 1e300, 0.0):
        assert "not negative definite" in words(hessian=np.full((5, 5), broken))


@double_precision
def test_one_weibull_is_found_from_any_sample_that_has_one():
    rng = np.random.default_rng(3)
    for shape in (0.05, 0.5, 1.0, 5.0, 300.0, 2e4):
        life = 40.0 * rng.weibull(shape, 50) + 1e-300
        found = single_weibull(Observations.from_durations(life))
        assert violations(found, weibull_template(1), RULE, 50) == ()
        assert found.x[1] == pytest.approx(np.log(shape), abs=0.5)
        assert found.decrement < 1e-9


@double_precision
def test_a_component_of_no_weight_changes_no_likelihood():
    for rows in (hard_rows(1), hard_rows(1, size=(1500, 1501))):
        x = np.array([[0.3, 0.1, 1.0, 0.2, 0.4], [-0.5, 0.8, 0.6, -0.1, 1.2]])
        few = Maximizer(weibull_template(2), rows).values(x)
        more = Maximizer(weibull_template(3), rows).values(with_nothing(x))
        np.testing.assert_allclose(more, few, rtol=1e-12)


def test_where_the_few_rows_lead_every_climb_into_a_collapse_more_rows_are_asked():
    # The best that a hundred other starts find; without that second round none is found.
    value, wrong = fitted(problem(2612))
    assert not wrong
    assert value >= 3563.34390 - 1e-4
