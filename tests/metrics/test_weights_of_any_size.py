"""Metrics with weights of very different sizes: against loops over pairs in exact fractions."""

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from survjax.metrics import concordance, cumulative_dynamic_auc, interval_coverage

SIZES = (1.0, 1.0, 3.0, 0.1, 1e-17, 1e17)

row = st.tuples(
    st.integers(1, 6),  # duration
    st.booleans(),  # failure seen
    st.integers(0, 4),  # risk
    st.sampled_from(SIZES),
    st.integers(0, 5),  # entry
    st.integers(0, 3),  # stratum
)


def pairs(rows, late, stratified):
    """Comparable pairs: (failure, partner, sign of the order of their risks)."""
    for i, (time, event, risk, _, _, group) in enumerate(rows):
        for j, (other, failed, level, _, entry, stratum) in enumerate(rows):
            later = other > time or (other == time and not failed)
            seen = not late or entry == 0 or entry >= other or entry < time
            if event and later and seen and (not stratified or group == stratum):
                yield i, j, (risk > level) - (risk < level)


def by_pairs(rows, late, stratified):
    """Counts of pairs in order, out of order and tied, and the standard error of the index."""
    weight = [Fraction(r[3]) for r in rows]
    counts = {1: Fraction(0), -1: Fraction(0), 0: Fraction(0)}
    found = list(pairs(rows, late, stratified))
    for i, j, sign in found:
        counts[sign] += weight[i] * weight[j]
    total = sum(counts.values())
    if total == 0:
        return None
    index = (counts[1] + counts[0] / 2) / total
    influence = [Fraction(0)] * len(rows)
    for i, j, sign in found:
        for k in (i, j):
            influence[k] += weight[i] * weight[j] * (Fraction(1 + sign, 2) - index) / total
    square = sum(v * v / w for v, w in zip(influence, weight, strict=True))
    return [float(counts[k]) for k in (1, -1, 0)], float(index), sqrt(square)


@given(st.lists(row, min_size=2, max_size=14), st.booleans(), st.booleans())
def test_concordance_counts_pairs_of_any_weight(rows, late, stratified):
    time, event, risk, weight, entry, stratum = np.array(rows).T
    call = (time, event.astype(bool), risk)
    options = {
        "sample_weight": weight,
        "entry": np.where(entry < time, entry, 0.0) if late else None,
        "strata": stratum if stratified else None,
    }
    expected = by_pairs(rows, late, stratified)
    if expected is None:
        with pytest.raises(ValueError, match="no two units can be compared"):
            concordance(*call, **options)
        return
    counts, index, error = expected
    result = concordance(*call, **options)
    found = (result.concordant, result.discordant, result.tied_risk)
    np.testing.assert_allclose(found, counts, rtol=1e-14)
    assert result.index == pytest.approx(index, rel=1e-14)
    assert result.standard_error == pytest.approx(error, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("heavy", [1e17, 1e-17])
def test_a_row_that_came_late_takes_nothing_from_the_others(heavy):
    # It came under observation after the others had failed: without it nothing changes.
    time, risk = [4.0, 5.0, 6.0, 9.0], [1.0, 3.0, 2.0, 0.0]
    entry, weight = [0.0, 0.0, 0.0, 7.0], [1.0, 1.0, 1.0, heavy]
    result = concordance(time, None, risk, entry=entry, sample_weight=weight)
    assert (result.concordant, result.discordant) == (1.0, 2.0)


def test_many_sizes_of_data_are_counted_in_full():
    # The tree over the failures has a last node that is not full, of every size.
    rng = np.random.default_rng(0)
    for n in range(6, 70):
        time, risk, weight = rng.permutation(n) + 1.0, rng.integers(0, n, n), rng.random(n)
        entry = np.floor(time * rng.random(n))
        later = time > time[:, None]
        later &= entry < time[:, None]
        product = np.where(later, weight[:, None] * weight, 0.0)
        sign = np.sign(risk[:, None] - risk)
        result = concordance(time, None, risk, entry=entry, sample_weight=weight)
        found = (result.concordant, result.discordant, result.tied_risk)
        expected = [product[sign == k].sum() for k in (1, -1, 0)]
        np.testing.assert_allclose(found, expected, rtol=1e-13)


@given(st.lists(row, min_size=3, max_size=12))
@example([(k, True, k % 3, 1e17 if k == 4 else 1.0, 0, 0) for k in range(1, 5)])
def test_the_mean_area_is_weighted_by_the_share_that_fails_between_the_times(rows):
    time, _, risk, weight, _, _ = np.array(rows).T
    exact = [Fraction(w) for w in weight]
    grid = sorted(set(time))[:-1]
    if not grid:
        return
    # All failed: so nobody's weight is another's, and a share is that of the failures themselves.
    areas, shares, last = [], [], 0
    for t in grid:
        good = total = Fraction(0)
        for i, j in np.argwhere((time <= t)[:, None] & (time > t)):
            total += exact[i] * exact[j]
            good += exact[i] * exact[j] * Fraction(1 + int(np.sign(risk[i] - risk[j])), 2)
        areas.append(good / total)
        shares.append(sum(w for w, s in zip(exact, time, strict=True) if last < s <= t))
        last = t
    mean = sum(s * a for s, a in zip(shares, areas, strict=True)) / sum(shares)
    result = cumulative_dynamic_auc(time, None, risk, grid, sample_weight=weight)
    np.testing.assert_allclose(result.auc, np.array(areas, dtype=float), rtol=1e-13)
    assert result.mean == pytest.approx(float(mean), rel=1e-13)


@given(st.lists(row, min_size=2, max_size=12))
def test_the_error_of_a_coverage_is_that_of_a_weighted_share(rows):
    time, inside, _, weight, _, _ = np.array(rows).T
    exact = [Fraction(w) for w in weight]
    share = sum(w for w, i in zip(exact, inside, strict=True) if i) / sum(exact)
    square = sum(w * (bool(i) - share) ** 2 for w, i in zip(exact, inside, strict=True))
    lower = np.where(inside, 0.0, time + 1)
    result = interval_coverage(time, None, lower, lower + 9, sample_weight=weight)
    assert result.share == pytest.approx(float(share), rel=1e-13)
    assert result.standard_error == pytest.approx(sqrt(square) / float(sum(exact)), rel=1e-13)
