"""Under the right family few p-values are small; `goodness_of_fit` shows all of them."""

import numpy as np
import pytest

from tests.studies.goodness_of_fit import KINDS, study


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_right_family_is_refused_no_more_often_than_the_level_says(kind):
    found = study(kind, "weibull", "weibull", 200, 99)
    # Five in a hundred, and four standard errors.
    assert np.all(np.mean(found <= 0.05, axis=0) <= 0.05 + 4.0 * np.sqrt(0.05 * 0.95 / 200))
