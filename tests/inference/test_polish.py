"""The last climb on all rows, helped by few that stand for them, ends where a plain one does."""

import numpy as np
import pytest

from survjax import Observations
from survjax._core.precision import double_precision
from survjax.inference.climbs import CONVERGED, ROUNDING, Rules
from survjax.inference.lanes import ascend
from survjax.inference.passes import Passes
from survjax.inference.polish import polish
from survjax.inference.summaries import condense


class Counted:
    """Passes over all rows that count how often they are asked."""

    def __init__(self, rows):
        self.passes, self.n = Passes(rows, 2), 0

    def __call__(self, x):
        self.n += 1
        return self.passes(x)


def lives(n, seed=0):
    rng = np.random.default_rng(seed)
    life = np.where(rng.random(n) < 0.4, 5 * rng.weibull(0.8, n), 40 * rng.weibull(3.0, n))
    return np.minimum(life, 50.0), life < 50.0


def plain_rows():
    return Observations.from_durations(*lives(20_000))


def inspected_rows():
    life, failed = lives(6_000)
    low = np.floor(life / 3.0) * 3.0
    return Observations.from_intervals(
        np.where(failed, low, life), np.where(failed, low + 3.0, np.inf)
    )


def rules(rows):
    return Rules(0.0, 0.0, 60.0, 1.5, rows.n_units, 1e-9, 100)


START = np.array([0.4, np.log(5.0), np.log(40.0), np.log(0.8), np.log(3.0)])


@pytest.mark.parametrize(
    ("make", "size", "most"),
    [(plain_rows, 2048, 1), (plain_rows, 64, 3), (inspected_rows, 2048, 5)],
)
@double_precision
def test_it_ends_where_a_climb_on_all_rows_does(make, size, most):
    rows = make()
    few = Passes(condense(rows, size), 2)
    start = ascend(few, START[None], 1, rules(rows))[0].x
    every = Counted(rows)
    ours = polish(every, few, start, rules(rows))
    assert every.n <= most
    theirs = ascend(Passes(rows, 2), start[None], 1, rules(rows))[0]
    spread = np.sqrt(np.diagonal(np.linalg.inv(-Passes(rows, 2)(theirs.x[None])[2][0])))
    assert np.abs((ours.x - theirs.x) / spread).max() < 1e-8
    assert ours.value == pytest.approx(theirs.value, rel=1e-13)
    errors = np.sqrt(np.diagonal(np.linalg.inv(-ours.hessian)))
    np.testing.assert_allclose(errors, spread, rtol=2e-5 if rows.interval is not None else 2e-6)
    assert ours.code in (CONVERGED, ROUNDING)
    assert ours.decrement <= 1e-9


@double_precision
def test_its_decrement_owns_up_to_what_the_few_may_misjudge():
    rows = plain_rows()
    few = Passes(condense(rows, 2048), 2)
    start = ascend(few, START[None], 1, rules(rows))[0].x
    found = polish(Passes(rows, 2), few, start, rules(rows))
    _, gradient, hessian = (part[0] for part in Passes(rows, 2)(found.x[None]))
    left = np.sqrt(gradient @ np.linalg.solve(-hessian, gradient))
    # Sums over twenty thousand rows are exact to some 1e-12 of a standard error.
    assert left < found.decrement + 1e-11


@double_precision
def test_few_rows_of_another_fleet_do_not_mislead_it():
    rows = plain_rows()
    other = Observations.from_durations(7.0 * lives(300, 9)[0])
    found = polish(Passes(rows, 2), Passes(other, 2), START, rules(rows))
    theirs = ascend(Passes(rows, 2), START[None], 1, rules(rows))[0]
    assert found.value == pytest.approx(theirs.value, rel=1e-12)
    np.testing.assert_allclose(found.x, theirs.x, atol=1e-8)


@double_precision
def test_no_maximum_is_made_up_where_there_is_none():
    rows = plain_rows()
    few = Passes(condense(rows, 256), 2)
    # Two components that are one: a saddle, from which Newton's model alone leads nowhere.
    saddle = np.array([0.0, np.log(25.0), np.log(25.0), 0.1, 0.1])
    found = polish(Passes(rows, 2), few, saddle, rules(rows))
    theirs = ascend(Passes(rows, 2), saddle[None], 1, rules(rows))[0]
    assert (found.code in (CONVERGED, ROUNDING)) == (theirs.code in (CONVERGED, ROUNDING))
    assert found.value >= theirs.value - 1e-6
