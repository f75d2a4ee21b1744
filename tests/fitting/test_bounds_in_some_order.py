"""Bounds on one component of a mixture: the highest maximum within them, in whatever order."""

import numpy as np
import pytest

from survjax import MixtureRegression, WeibullMixture


def two_kinds(seed=0, n=150):
    rng = np.random.default_rng(seed)
    return np.concatenate([10.0 * rng.weibull(1.0, n), 60.0 * rng.weibull(5.0, n)])


@pytest.mark.parametrize("name", ["shape_1", "shape_2", "scale_1", "scale_2"])
@pytest.mark.parametrize("component", [0, 1])
def test_either_component_may_be_the_one_with_bounds(name, component):
    rows = two_kinds()
    free = WeibullMixture(2).fit(rows)
    values = free.shapes_ if name.startswith("shape") else free.scales_
    around = values[component]
    model = WeibullMixture(2, bounds={name: (0.8 * around, 1.2 * around)}).fit(rows)
    assert model.log_likelihood_ == pytest.approx(free.log_likelihood_, abs=1e-9)
    assert model.certificate_.at_bounds == ()
    assert model.summary().loc[name, "estimate"] == pytest.approx(around, rel=1e-7)


@pytest.mark.parametrize("seed", range(6))
def test_bounds_between_both_components_are_met_by_the_better_of_them(seed):
    rng = np.random.default_rng(seed)
    scales, shapes = np.exp(rng.normal(3, 1, 2)), np.exp(rng.normal(0.5, 0.7, 2))
    rows = np.concatenate([a * rng.weibull(b, 80) for a, b in zip(scales, shapes, strict=True)])
    middle = np.sqrt(np.prod(WeibullMixture(2).fit(rows).shapes_))
    ends = 0.9 * middle, 1.1 * middle
    model = WeibullMixture(2, bounds={"shape_1": ends}).fit(rows)
    held = [WeibullMixture(2, fixed={"shape_1": end}).fit(rows).log_likelihood_ for end in ends]
    assert model.log_likelihood_ >= max(held) - 1e-7
    found = model.summary().loc["shape_1", "estimate"]
    assert ends[0] * (1 - 1e-12) <= found <= ends[1] * (1 + 1e-12)


@pytest.mark.parametrize("name", ["shape_1", "shape_2"])
@pytest.mark.parametrize("ends", [(0.5, 1.5), (3.0, 9.0)])
def test_either_component_of_a_regression_may_be_the_one_with_bounds(name, ends):
    x = np.random.default_rng(1).normal(size=(300, 1))
    y = np.column_stack([two_kinds() * np.exp(0.3 * x[:, 0]), np.ones(300)])
    free = MixtureRegression(2).fit(x, y)
    model = MixtureRegression(2, bounds={name: ends}).fit(x, y)
    assert model.log_likelihood_ == pytest.approx(free.log_likelihood_, abs=1e-7)
    assert ends[0] < np.exp(model.summary().loc[f"log_{name}", "estimate"]) < ends[1]
    lives = model.predict_rul(x[:3], ages=1.0)
    np.testing.assert_allclose(lives, free.predict_rul(x[:3], ages=1.0), rtol=1e-5)
