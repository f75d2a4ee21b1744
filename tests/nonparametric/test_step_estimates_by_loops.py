"""Kaplan-Meier and its kin against their definitions: plain loops over rows in exact fractions."""

import itertools
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from survjax.nonparametric import (
    aalen_johansen,
    censoring_curve,
    kaplan_meier,
    nelson_aalen,
    restricted_mean,
)

#: Ways to compute the k-th tenth: equal up to rounding, and often no more than that.
TENTHS = (
    lambda k: k / 10,
    lambda k: k * 0.1,
    lambda k: sum([0.1] * k),
    lambda k: 1 - (10 - k) / 10,
)
LAST = 8

row = st.tuples(
    st.integers(1, 6),  # duration in tenths
    st.integers(0, 2),  # cause, 0 where the unit still ran
    st.integers(0, 5),  # entry in tenths, where it lies before the duration
    st.integers(0, 3),  # weight
    st.integers(0, 3),  # how the duration was computed
    st.integers(0, 3),  # how the entry was computed
)
rows = st.lists(row, min_size=1, max_size=12)
sizes = st.sampled_from([1, 0.37, 1e9])
wide = st.booleans()


class Data:
    """Rows in tenths for the loops, and the floats that the package gets."""

    def __init__(self, rows, late, size, wide):
        columns = np.array(rows).T
        self.time, self.cause = columns[0], columns[1]
        self.entry = np.where(late & (columns[2] < columns[0]), columns[2], 0)
        weight = columns[3].astype(float)
        if weight.sum() == 0:
            weight[0] = 1
        if wide:  # weights of very different sizes
            weight = weight * 10.0 ** (4 * (columns[5] - 1.5))
        self.weight = weight * size
        self.exact = [Fraction(float(w)) for w in self.weight]
        self.durations = np.array([TENTHS[r[4]](r[0]) for r in rows])
        ages = np.array([TENTHS[r[5]](int(k)) for r, k in zip(rows, self.entry, strict=True)])
        self.options = {"sample_weight": self.weight}
        if late:
            self.options["entry"] = np.where(self.entry == 0, 0.0, ages)

    def total(self, chosen):
        return sum((w for w, c in zip(self.exact, chosen, strict=True) if c), Fraction(0))

    def at_risk(self, t):
        # A unit watched from new is at risk at every time.
        return self.total((self.time >= t) & ((self.entry < t) | (self.entry == 0)))

    def failing(self, t, cause=None):
        event = self.cause > 0 if cause is None else self.cause == cause
        return self.total(event & (self.time == t))

    @property
    def end(self):
        return max(t for t, w in zip(self.time, self.exact, strict=True) if w > 0)

    def event_times(self):
        return [t for t in range(1, LAST) if self.failing(t) > 0]


def quietly(estimate, *args, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the curve reaches 0")
        return estimate(*args, **options)


#: Each tenth, computed in each way.
TENTH = np.repeat(np.arange(LAST + 1), len(TENTHS))
ASKED = np.array([way(k) for k in range(LAST + 1) for way in TENTHS])


def check(curve, expected, end, complete=False, rtol=1e-12):
    """Compare a curve with {tenth: value}, which holds until the next; NaN beyond the end."""
    values = [float(v) for k in TENTH for v in [[expected[s] for s in expected if s <= k][-1]]]
    before = [[expected[s] for s in expected if s < max(k, 0.5)][-1] for k in TENTH]
    known = (end >= TENTH) | complete
    np.testing.assert_array_equal(np.isnan(curve(ASKED)), ~known)
    np.testing.assert_array_equal(np.isnan(curve.standard_error(ASKED)), ~known)
    for bound in curve.bounds(ASKED):
        np.testing.assert_array_equal(np.isnan(bound), ~known)
    np.testing.assert_allclose(curve(ASKED)[known], np.array(values)[known], rtol=rtol)
    before = np.array([float(v) for v in before])
    np.testing.assert_allclose(curve.before(ASKED)[known], before[known], rtol=rtol)
    assert curve(ASKED[20]) == curve(ASKED)[20] or not known[20]


@given(rows, st.booleans(), sizes, wide)
def test_kaplan_meier_is_the_product_over_event_times(rows, late, size, wide):
    data = Data(rows, late, size, wide)
    curve = quietly(kaplan_meier, data.durations, data.cause > 0, **data.options)
    survival, log_variance = Fraction(1), Fraction(0)
    expected, variances = {0: survival}, []
    for t in data.event_times():
        n, d = data.at_risk(t), data.failing(t)
        survival *= 1 - d / n
        log_variance += d / (n * (n - d)) if n > d else 0
        expected[t] = survival
        variances.append(float(survival**2 * log_variance))
    assert curve.complete == (survival == 0)
    assert curve.end == pytest.approx(data.end / 10, rel=1e-15)
    check(curve, expected, data.end, survival == 0)
    np.testing.assert_allclose(curve.at_risk, [float(data.at_risk(t)) for t in data.event_times()])
    np.testing.assert_allclose(curve.variance, variances, rtol=1e-11)


@given(rows, st.booleans(), sizes, wide)
def test_nelson_aalen_is_the_sum_over_event_times(rows, late, size, wide):
    data = Data(rows, late, size, wide)
    curve = nelson_aalen(data.durations, data.cause > 0, **data.options)
    hazard, variance, expected, variances = Fraction(0), Fraction(0), {0: Fraction(0)}, []
    for t in data.event_times():
        n, d = data.at_risk(t), data.failing(t)
        hazard, variance = hazard + d / n, variance + d / n**2
        expected[t] = hazard
        variances.append(float(variance))
    check(curve, expected, data.end)
    np.testing.assert_allclose(curve.variance, variances, rtol=1e-11)


@given(rows, st.booleans(), sizes, wide)
def test_the_censoring_curve_lets_failures_of_its_time_go_first(rows, late, size, wide):
    data = Data(rows, late, size, wide)
    curve = censoring_curve(data.durations, data.cause > 0, **data.options)
    left, expected = Fraction(1), {0: Fraction(1)}
    for t in range(1, LAST):
        censored = data.total((data.cause == 0) & (data.time == t))
        if censored > 0:
            left *= 1 - censored / (data.at_risk(t) - data.failing(t))
            expected[t] = left
    check(curve, expected, data.end, left == 0)


def incidence(data, cause):
    """Share failed of the cause at each event time, and the variance by the double sum."""
    times, before, share = data.event_times(), Fraction(1), Fraction(0)
    shares, befores = [], []
    for t in times:
        befores.append(before)
        share += before * data.failing(t, cause) / data.at_risk(t)
        before *= 1 - data.failing(t) / data.at_risk(t)
        shares.append(share)
    variances = []
    for i in range(len(times)):
        total = Fraction(0)
        for j in range(i + 1):
            n, d, own = (
                data.at_risk(times[j]),
                data.failing(times[j]),
                data.failing(times[j], cause),
            )
            ahead = shares[i] - shares[j]
            total += ahead**2 * d / (n * (n - d)) if n > d else 0
            total += befores[j] ** 2 * own * (n - own) / n**3 - 2 * ahead * befores[j] * own / n**2
        variances.append(total)
    return times, shares, variances, before


@given(rows, st.booleans(), sizes, wide)
@example([(k, 1 + (k == 2), 0, 1, 0, (3, 1, 3, 0, 0)[k - 1]) for k in range(1, 6)], False, 1, True)
def test_aalen_johansen_is_the_sum_over_event_times(rows, late, size, wide):
    data = Data(rows, late, size, wide)
    result = quietly(aalen_johansen, data.durations, data.cause, **data.options)
    for cause in result.causes:
        curve = result[cause]
        times, shares, variances, survival = incidence(data, cause)
        expected = {0: Fraction(0)} | dict(zip(times, shares, strict=True))
        check(curve, expected, data.end, survival == 0, rtol=1e-11)
        np.testing.assert_allclose(curve.variance, [float(v) for v in variances], rtol=1e-11)
        assert np.all((curve.lower <= curve.values) & (curve.values <= curve.upper))
        reached = np.array([share == 1 for share in shares], dtype=bool)
        assert np.all(curve.lower[reached] == 1)


@given(rows, st.booleans(), sizes, wide, st.integers(1, LAST), st.integers(0, 3))
def test_the_restricted_mean_is_the_area_up_to_the_horizon(rows, late, size, wide, k, way):
    data = Data(rows, late, size, wide)
    curve = quietly(kaplan_meier, data.durations, data.cause > 0, **data.options)
    mean, error = restricted_mean(curve, TENTHS[way](k))
    steps = [(Fraction(0), Fraction(1))]
    for t in data.event_times():
        steps.append((Fraction(t), steps[-1][1] * (1 - data.failing(t) / data.at_risk(t))))
    if k > data.end and steps[-1][1] > 0:
        assert np.isnan(mean) and np.isnan(error)
        return

    def area(start):
        edges = [max(t, start) for t, _ in steps] + [max(Fraction(k), start)]
        widths = [max(min(b, k) - min(a, k), 0) for a, b in itertools.pairwise(edges)]
        return sum(w * s for w, (_, s) in zip(widths, steps, strict=True)) / 10

    variance = Fraction(0)
    for t in data.event_times():
        n, d = data.at_risk(t), data.failing(t)
        if t < k and n > d:
            variance += area(Fraction(t)) ** 2 * d / (n * (n - d))
    assert mean == pytest.approx(float(area(Fraction(0))), rel=1e-12)
    assert error == pytest.approx(float(variance) ** 0.5, rel=1e-9, abs=1e-12)
