"""Numbers beside the axes are such as people read."""

import numpy as np
import pytest

from survjax import LifetimeModel

LIVES = np.array([0.3, 0.7, 1.0, 1.4, 2.0])


@pytest.mark.parametrize(
    ("unit", "scale", "label"),
    [
        ("years", 10.0, "hazard rate (per year)"),
        ("days", 3652.0, "hazard rate (per 10,000 days)"),
        ("hours", 87_600.0, "hazard rate (per 100,000 hours)"),
        (None, 10.0, "hazard rate (per unit of time)"),
    ],
)
def test_hazards_have_no_factor_apart_from_their_axis(unit, scale, label):
    model = LifetimeModel("weibull").fit(scale * LIVES, [1, 1, 0, 1, 1])
    ax = model.plot("hazard", unit=unit)
    ax.figure.draw_without_rendering()
    assert ax.get_ylabel() == label
    words = [text.get_text() for text in ax.get_yticklabels()]
    values = [float(word) for word in words]
    many = 10 ** round(np.log10(values[-1] / ax.get_yticks()[-1]))
    np.testing.assert_allclose(values, many * ax.get_yticks(), rtol=1e-6)
    for axis in (ax.xaxis, ax.yaxis):
        assert axis.get_offset_text().get_text() == ""
    if scale > 1e4:
        assert "100,000" in [text.get_text() for text in ax.get_xticklabels()]
