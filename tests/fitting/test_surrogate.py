"""The last iterations on all rows, helped by few that stand for them, end where plain ones do."""

import numpy as np
import pytest

from survjax import Observations
from survjax._core.precision import double_precision
from survjax.fitting.coreset import compress
from survjax.fitting.local_maxima import ARRIVED, Maximizer
from survjax.fitting.settings import Settings
from survjax.fitting.surrogate import maximum_of_template
from survjax.likelihood.objective import Objective
from survjax.likelihood.weibulls import weibull_template

TWO = weibull_template(2)
START = np.array([0.4, np.log(5.0), np.log(40.0), np.log(0.8), np.log(3.0)])


class Counted:
    """An objective on all rows that counts how often it is asked."""

    def __init__(self, rows):
        self.objective, self.n = Objective(TWO, rows), 0

    def __call__(self, x):
        self.n += 1
        return self.objective(x)


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


def limits(rows):
    return Settings().limits(2, rows.n_units)


@pytest.mark.parametrize(
    ("make", "size", "most"),
    [(plain_rows, 2048, 1), (plain_rows, 64, 3), (inspected_rows, 2048, 5)],
)
@double_precision
def test_it_ends_where_an_iteration_on_all_rows_does(make, size, most):
    rows = make()
    few = Maximizer(TWO, compress(rows, size))
    start = few(START[None], limits(rows))[0]
    every = Counted(rows)
    ours = maximum_of_template(every, few, start, limits(rows), rows.n_units)
    assert every.n <= most
    theirs = Maximizer(TWO, rows)(start.x[None], limits(rows))[0]
    spread = np.sqrt(np.diagonal(np.linalg.inv(-every.objective(theirs.x)[2])))
    assert np.abs((ours.x - theirs.x) / spread).max() < 1e-8
    assert ours.value == pytest.approx(theirs.value, rel=1e-13)
    errors = np.sqrt(np.diagonal(np.linalg.inv(-ours.hessian)))
    np.testing.assert_allclose(errors, spread, rtol=2e-5 if rows.interval is not None else 2e-6)
    assert ours.code in ARRIVED
    assert ours.decrement <= 1e-9


@double_precision
def test_its_decrement_owns_up_to_what_the_few_may_misjudge():
    rows = plain_rows()
    few = Maximizer(TWO, compress(rows, 2048))
    start, objective = few(START[None], limits(rows))[0], Objective(TWO, rows)
    found = maximum_of_template(objective, few, start, limits(rows), rows.n_units)
    _, gradient, hessian = objective(found.x)
    left = np.sqrt(gradient @ np.linalg.solve(-hessian, gradient))
    # Sums over twenty thousand rows are exact to some 1e-12 of a standard error.
    assert left < found.decrement + 1e-11


@double_precision
def test_few_rows_of_another_fleet_do_not_mislead_it():
    rows = plain_rows()
    few = Maximizer(TWO, Observations.from_durations(7.0 * lives(300, 9)[0]))
    start, objective = few.at(START[None])[0], Objective(TWO, rows)
    found = maximum_of_template(objective, few, start, limits(rows), rows.n_units)
    theirs = Maximizer(TWO, rows)(START[None], limits(rows))[0]
    assert found.value == pytest.approx(theirs.value, rel=1e-12)
    np.testing.assert_allclose(found.x, theirs.x, atol=1e-8)


@double_precision
def test_no_maximum_is_made_up_where_there_is_none():
    rows = plain_rows()
    few = Maximizer(TWO, compress(rows, 256))
    # Two components that are one: a saddle, from which Newton's model alone leads nowhere.
    saddle = np.array([0.0, np.log(25.0), np.log(25.0), 0.1, 0.1])
    start, objective = few.at(saddle[None])[0], Objective(TWO, rows)
    found = maximum_of_template(objective, few, start, limits(rows), rows.n_units)
    theirs = Maximizer(TWO, rows)(saddle[None], limits(rows))[0]
    assert (found.code in ARRIVED) == (theirs.code in ARRIVED)
    assert found.value >= theirs.value - 1e-6


@double_precision
def test_it_keeps_where_it_came_from_and_the_whole_path():
    rows = plain_rows()
    few = Maximizer(TWO, compress(rows, 64))
    start = few(np.stack([START + 0.1, START]), limits(rows))[1]
    found = maximum_of_template(Objective(TWO, rows), few, start, limits(rows), rows.n_units)
    assert (found.start, found.n_agreeing) == (1, start.n_agreeing)
    np.testing.assert_array_equal(found.path[: start.n_iter + 1], start.path)
    np.testing.assert_array_equal(found.path[[0, -1]], [START, found.x])
