"""Random draws inside a fit go by what rows hold, not by where they stand."""

import numpy as np
import pytest

from survjax import AcceleratedLifetime, CoxPH, DeepWeibullMixture

N = 90


def fleet():
    """X, y and whole weights, zero among them."""
    random = np.random.default_rng(0)
    x = random.normal(size=(N, 3))
    lives = np.exp(1.0 + x[:, 0] - 0.4 * x[:, 1]) * random.weibull(1.5, N)
    end = random.uniform(1.0, 10.0, N)
    y = np.column_stack([np.minimum(lives, end), lives <= end])
    return x, y, random.integers(0, 4, N) * 1.0


def variants():
    """The same rows: in another order, repeated instead of weighted, without those of no weight."""
    x, y, weight = fleet()
    order = np.random.default_rng(1).permutation(N)
    repeated = np.random.default_rng(2).permutation(np.repeat(np.arange(N), weight.astype(int)))
    there = weight > 0
    return {
        "another order": (x[order], y[order], weight[order]),
        "repeated": (x[repeated], y[repeated], None),
        "no rows of weight zero": (x[there], y[there], weight[there]),
    }


@pytest.mark.parametrize(
    "model",
    [CoxPH(ties="breslow", penalty="cv"), AcceleratedLifetime(penalty="cv", l1_ratio=0.5)],
    ids=["Cox", "accelerated"],
)
def test_a_penalty_is_chosen_by_the_same_folds_in_any_order(model):
    x, y, weight = fleet()
    first = model.fit(x, y, sample_weight=weight)
    penalty, coef = first.penalty_, first.coef_
    path = first.penalty_path_.to_numpy()
    for some in variants().values():
        again = model.fit(some[0], some[1], sample_weight=some[2])
        assert again.penalty_ == pytest.approx(penalty, rel=1e-10)
        np.testing.assert_allclose(again.coef_, coef, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(again.penalty_path_.to_numpy(), path, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("members", [1, 2])
def test_networks_see_the_same_samples_and_batches_in_any_order(members):
    model = DeepWeibullMixture(
        2, layers=(4,), n_members=members, max_epochs=12, batch_size=32, random_state=3
    )
    x, y, weight = fleet()
    expected = model.fit(x, y, sample_weight=weight).predict(x[:9])
    for some in variants().values():
        again = model.fit(some[0], some[1], sample_weight=some[2]).predict(x[:9])
        np.testing.assert_allclose(again, expected, rtol=1e-9)
