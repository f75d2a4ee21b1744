"""Under the right family p-values are uniform; `goodness_of_fit` shows more."""

import pytest
from scipy import stats

from tests.studies.goodness_of_fit import KINDS, study


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_p_values_are_uniform_where_the_family_is_right(kind):
    found = study(kind, "weibull", 200, 99)
    assert all(stats.kstest(p, "uniform").pvalue > 0.001 for p in found.T)
