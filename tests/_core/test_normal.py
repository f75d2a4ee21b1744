"""The normal distribution function, against SciPy's."""

import numpy as np
from scipy.special import ndtr

from survjax._core.normal import normal_cdf


def test_ten_digits_hold_from_tail_to_tail():
    x = np.random.default_rng(0).uniform(-37.0, 12.0, 20_000)
    np.testing.assert_allclose(normal_cdf(x), ndtr(x), rtol=1e-10)


def test_what_is_no_number_stays_none_and_beyond_the_ends_are_zero_and_one():
    found = normal_cdf(np.array([np.nan, -np.inf, np.inf, -60.0, 60.0]))
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], [0.0, 1.0, 0.0, 1.0], rtol=1e-15, atol=1e-300)
