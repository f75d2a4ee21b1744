"""Climbs that go side by side end where each would by itself."""

import dataclasses

import numpy as np
import pytest

from survjax import Observations
from survjax._core.precision import double_precision
from survjax.inference import _lane_steps
from survjax.inference.climbs import CONVERGED, ROUNDING, Rules
from survjax.inference.lanes import FEW, ascend
from survjax.inference.small_passes import SmallPasses

N = 400


@pytest.fixture(scope="module")
def passes():
    rng = np.random.default_rng(5)
    life = np.where(rng.random(N) < 0.4, 5 * rng.weibull(0.8, N), 40 * rng.weibull(3.0, N))
    return SmallPasses(Observations.from_durations(np.minimum(life, 50.0), life < 50.0))


def starts_around(n, spread, seed=0):
    rng = np.random.default_rng(seed)
    middle = np.array([0.4, np.log(5.0), np.log(40.0), np.log(0.8), np.log(3.0)])
    return middle + spread * rng.normal(size=(n, 5))


def rules(**changes):
    plain = Rules(0.0, 0.0, 60.0, 1.5, float(N), 1e-9, 100)
    return dataclasses.replace(plain, **changes)


@double_precision
def test_every_start_is_counted_with_the_climb_it_joins(passes):
    found = ascend(passes, starts_around(20, 0.15), 16, rules())
    assert sum(c.n_merged for c in found) == 20
    assert max(c.n_merged for c in found) > 15  # most of them lie in one basin


@double_precision
def test_merging_early_does_not_change_what_is_found(passes):
    starts = starts_around(24, 0.8, 1)
    alone = ascend(passes, starts, 24, rules(merge=False))
    tops = {round(c.value, 6) for c in alone if c.code in (CONVERGED, ROUNDING)}
    merged = ascend(passes, starts, 24, rules())
    assert len(merged) < len(alone)
    assert {round(c.value, 6) for c in merged if c.code in (CONVERGED, ROUNDING)} == tops


@double_precision
def test_plain_newton_steps_lead_where_guarded_ones_do(passes, monkeypatch):
    starts = starts_around(12, 0.3, 2)
    quick = ascend(passes, starts, 12, rules(merge=False))
    monkeypatch.setattr(_lane_steps, "CLEAR", np.inf)
    guarded = ascend(passes, starts, 12, rules(merge=False))
    at = {c.start: c for c in guarded}
    for c in quick:
        assert c.n_iter == at[c.start].n_iter
        np.testing.assert_allclose(c.x, at[c.start].x, atol=1e-7)
        assert c.value == pytest.approx(at[c.start].value, rel=1e-13)


@double_precision
def test_a_last_step_unseen_tells_value_gradient_and_hessian(passes):
    for c in ascend(passes, starts_around(6, 0.2, 3), 6, rules(merge=False)):
        value, gradient, hessian = (part[0] for part in passes(c.x[None]))
        assert c.value == pytest.approx(value, rel=1e-13)
        error = np.sqrt(gradient @ np.linalg.solve(-hessian, gradient))
        assert error < 1e-8
        np.testing.assert_allclose(
            np.linalg.inv(-c.hessian), np.linalg.inv(-hessian), rtol=1e-4, atol=1e-9
        )


@double_precision
def test_starts_far_below_others_are_left_out_if_enough_are_left(passes):
    starts = np.concatenate([starts_around(FEW + 4, 0.03), starts_around(4, 0.03) + 4.0])
    assert passes.values(starts)[-4:].max() < passes.values(starts)[:-4].min() - 30.0
    found = ascend(passes, starts, 16, rules(margin=30.0))
    assert sum(c.n_merged for c in found if c.code in (CONVERGED, ROUNDING)) == FEW + 4
    few = np.concatenate([starts[:2], starts[-4:]])
    assert sum(c.n_merged for c in ascend(passes, few, 16, rules(margin=30.0))) == 6
