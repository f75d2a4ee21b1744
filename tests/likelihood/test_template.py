"""A lifetime as a template: where parameters stand, other orders of components, Weibulls' terms."""

import jax.numpy as jnp
import numpy as np
import pytest

from survjax._core.precision import double_precision
from survjax._core.pytree import parameter, pytree, ravel_parameters
from survjax.lifetimes import Exponential, Lifetime, LogLogistic, LogNormal, Mixture, Weibull
from survjax.likelihood.vector.stacks import SHARES
from survjax.likelihood.vector.template import Template
from survjax.likelihood.weibulls import as_weibulls, from_weibulls, weibull_template

TIMES = np.array([0.3, 4.0, 20.0, 45.0, 90.0])


@pytree
class Wearout(Lifetime):
    """A family of one's own, H(t) = rate t + (t / life)^2, that says nothing of quantiles."""

    log_rate: object = parameter()
    log_life: object = parameter()

    def cumulative_hazard(self, t):
        return jnp.exp(self.log_rate) * t + (t * jnp.exp(-self.log_life)) ** 2

    def log_hazard(self, t):
        return jnp.log(jnp.exp(self.log_rate) + 2.0 * t * jnp.exp(-2.0 * self.log_life))


def zeros(n):
    return np.zeros(n)


SEVERAL = Mixture(
    zeros(4),
    (Weibull(zeros(2), zeros(2)), LogNormal(zeros(1), zeros(1)), Exponential(zeros(2))),
)
TEMPLATES = {
    "three Weibulls": weibull_template(3),
    "several families": Template(SEVERAL),
    "loglogistic": Template(Mixture(zeros(1), LogLogistic(zeros(2), zeros(2)))),
    "alone": Template(LogNormal(zeros(()), zeros(()))),
    "of one's own": Template(Mixture(zeros(1), Wearout(zeros(2), zeros(2)))),
}
each_template = pytest.mark.parametrize("name", TEMPLATES)


def vector(template, seed=0):
    x = np.random.default_rng(seed).normal(0.0, 0.4, template.size)
    x[template.log_scales] += 3.0
    if "components.log_rate" in template.positions:
        x[template.positions["components.log_rate"]] -= 3.0
        x[template.positions["components.log_life"]] += 3.0
    return x


@each_template
@double_precision
def test_every_entry_of_a_vector_is_one_parameter(name):
    template = TEMPLATES[name]
    positions = np.concatenate([np.ravel(where) for where in template.positions.values()])
    np.testing.assert_array_equal(np.sort(positions), np.arange(template.size))
    x = vector(template)
    # The same lifetime that `ravel_parameters` makes of the vector.
    first, unravel = ravel_parameters(template.lifetime)
    assert first.size == template.size
    np.testing.assert_array_equal(ravel_parameters(template.at(x))[0], x)
    np.testing.assert_array_equal(
        template.at(x).cumulative_hazard(TIMES), unravel(x).cumulative_hazard(TIMES)
    )
    # Logits and the components' parameters share the vector out.
    own = [np.ravel(stack.positions) for stack in template.stacks]
    shared = np.sort(np.concatenate([template.logits, *own]))
    np.testing.assert_array_equal(shared, np.arange(template.size))
    assert template.n_components == 1 + template.logits.size


@each_template
@double_precision
def test_log_weights_are_those_of_the_lifetime(name):
    template = TEMPLATES[name]
    points = np.stack([vector(template, seed) for seed in range(4)])
    logs = template.log_weights(points)
    assert logs.shape == (4, template.n_components)
    np.testing.assert_allclose(np.exp(logs).sum(1), 1.0, rtol=1e-14)
    for x, own in zip(points, logs, strict=True):
        np.testing.assert_allclose(template.log_weights(x), own, rtol=1e-14)
        if template.is_mixture:
            np.testing.assert_allclose(template.at(x).log_weights, own, rtol=1e-13, atol=1e-14)


def singles(lifetime):
    """The components of a mixture one by one."""
    parts = lifetime.components if isinstance(lifetime.components, tuple) else [lifetime.components]
    for part in parts:
        names = list(vars(part))
        for j in range(len(getattr(part, names[0]))):
            yield type(part)(*(getattr(part, name)[j] for name in names))


@each_template
@double_precision
def test_components_have_failed_by_their_quantiles(name):
    template = TEMPLATES[name]
    x = vector(template)
    there = template.at(x)
    parts = list(singles(there)) if template.is_mixture else [there]
    for part, logs in zip(parts, template.log_quantiles(x), strict=True):
        np.testing.assert_allclose(part.cdf(np.exp(logs)), SHARES, rtol=1e-9)


ORDERS = {
    "three Weibulls": [[0, 1, 2], [1, 2, 0], [2, 1, 0]],
    "several families": [[1, 0, 2, 3, 4], [0, 1, 2, 4, 3], [1, 0, 2, 4, 3]],
    "loglogistic": [[1, 0]],
    "alone": [[0]],
    "of one's own": [[1, 0]],
}


@each_template
@double_precision
def test_another_order_of_components_is_the_same_lifetime(name):
    template = TEMPLATES[name]
    x = vector(template)
    before = np.asarray(template.at(x).log_density(TIMES))
    for order in map(np.array, ORDERS[name]):
        moved = template.reordering(order) @ x
        np.testing.assert_allclose(template.at(moved).log_density(TIMES), before, rtol=1e-12)
        np.testing.assert_allclose(template.log_weights(moved), template.log_weights(x)[order])
        back = template.reordering(np.argsort(order)) @ moved
        np.testing.assert_allclose(back, x, atol=1e-14)
        assert abs(np.linalg.det(template.reordering(order))) == pytest.approx(1.0)


@each_template
@double_precision
def test_an_order_of_components_is_found_again(name):
    template = TEMPLATES[name]
    x = vector(template)
    orders = [np.array(order) for order in ORDERS[name]]
    noise = 1e-3 * np.random.default_rng(1).normal(size=(len(orders), template.size))
    moved = np.stack([template.reordering(order) @ x for order in orders]) + noise
    # Any metric will do that is positive definite.
    root = np.random.default_rng(2).normal(size=(template.size, template.size))
    information = root @ root.T + np.eye(template.size)
    found = template.nearest_orders(moved, x, information)
    for order, again in zip(orders, found, strict=True):
        np.testing.assert_array_equal(order[again], np.arange(order.size))
    aligned = template.aligned(moved, x, information)
    if template.n_components > 1:
        np.testing.assert_allclose(aligned, np.tile(x, (len(orders), 1)), atol=0.02)
    assert template.aligned(moved[:0], x, information).shape == (0, template.size)


@double_precision
def test_with_many_components_the_order_of_medians_stands_in():
    template = weibull_template(6)
    x = vector(template)
    order = template.nearest_orders(x[None], x, np.eye(template.size))[0]
    medians = template.log_quantiles(template.reordering(order) @ x)[:, 1]
    assert np.all(np.diff(medians) > 0)


@double_precision
def test_medians_are_ordered_within_each_family():
    template = TEMPLATES["several families"]
    order = template.median_order(vector(template, 3))
    medians = template.log_quantiles(vector(template, 3))[order, 1]
    assert set(order[:2]) == {0, 1} and order[2] == 2 and set(order[3:]) == {3, 4}
    assert medians[0] < medians[1] and medians[3] < medians[4]


@double_precision
def test_shapes_are_those_of_weibulls_of_the_same_spread():
    template = TEMPLATES["three Weibulls"]
    x = vector(template)
    np.testing.assert_allclose(template.shapes(x), np.exp(x[template.log_shapes]), rtol=1e-14)
    y = template.log_quantiles(x)
    spread = np.log(-np.log1p(-SHARES[2])) - np.log(-np.log1p(-SHARES[0]))
    np.testing.assert_allclose(template.shapes(x), spread / (y[:, 2] - y[:, 0]), rtol=1e-12)
    # An exponential is a Weibull of shape one; a family without a shape is judged by its spread.
    alone = Template(Exponential(zeros(())))
    np.testing.assert_allclose(alone.shapes(np.array([2.0])), 1.0, rtol=1e-12)
    own = TEMPLATES["of one's own"]
    assert np.all((own.shapes(vector(own)) > 1.0) & (own.shapes(vector(own)) < 2.0))


WEIBULLS = np.array([0.2, 0.5, 0.3]), np.array([3.0, 20.0, 60.0]), np.array([0.8, 2.0, 5.0])


@double_precision
def test_weibulls_go_to_their_own_template_and_back_unchanged():
    template = weibull_template(3)
    x = from_weibulls(template, *WEIBULLS)
    np.testing.assert_allclose(np.exp(template.log_weights(x)), WEIBULLS[0], rtol=1e-12)
    np.testing.assert_allclose(np.exp(x[template.log_scales]), WEIBULLS[1], rtol=1e-12)
    np.testing.assert_allclose(np.exp(x[template.log_shapes]), WEIBULLS[2], rtol=1e-12)
    assert template.is_weibulls and as_weibulls(template, x) is x


@pytest.mark.parametrize("family", [Weibull, LogNormal, LogLogistic])
@double_precision
def test_a_family_with_a_shape_takes_the_spread_and_nearly_the_median_of_weibulls(family):
    template = Template(
        Mixture(zeros(2), (Weibull(zeros(1), zeros(1)), family(zeros(2), zeros(2))))
    )
    x = from_weibulls(template, *WEIBULLS)
    back = as_weibulls(template, x)
    exact = from_weibulls(weibull_template(3), *WEIBULLS)
    np.testing.assert_allclose(back[:2], exact[:2], atol=1e-12)
    np.testing.assert_allclose(back[5:], exact[5:], atol=1e-9)
    # A symmetric family cannot have all three quantiles of a skew one.
    assert np.all(
        np.abs(back[2:5] - exact[2:5]) * WEIBULLS[2] < (1e-9 if family is Weibull else 0.2)
    )
    again = from_weibulls(template, WEIBULLS[0], np.exp(back[2:5]), np.exp(back[5:]))
    assert np.abs(again - x).max() < 0.3


@double_precision
def test_a_family_without_a_shape_takes_the_place_of_weibulls():
    template = Template(Mixture(zeros(2), Exponential(zeros(3))))
    x = from_weibulls(template, *WEIBULLS)
    np.testing.assert_allclose(np.exp(template.log_weights(x)), WEIBULLS[0], rtol=1e-12)
    ratio = np.exp(x[template.log_scales]) / WEIBULLS[1]
    assert np.all((ratio > 0.5) & (ratio < 2.5))
    back = as_weibulls(template, x)
    np.testing.assert_allclose(back[5:], 0.0, atol=1e-9)
    np.testing.assert_allclose(back[2:5], x[template.log_scales], atol=1e-9)


@double_precision
def test_a_family_of_ones_own_finds_its_nearest_quantiles_by_itself():
    template = TEMPLATES["of one's own"]
    x = from_weibulls(template, np.array([0.4, 0.6]), np.array([5.0, 40.0]), np.array([1.1, 1.8]))
    assert np.all(np.isfinite(x))
    np.testing.assert_allclose(np.exp(template.log_weights(x)), [0.4, 0.6], rtol=1e-12)
    scale, shape = np.array([[5.0], [40.0]]), np.array([[1.1], [1.8]])
    goal = scale * (-np.log1p(-SHARES)) ** (1.0 / shape)
    # Shapes between one and two are within its reach.
    assert np.abs(template.log_quantiles(x) - np.log(goal)).max() < 0.15


@double_precision
def test_a_template_of_weibulls_is_the_mixture_of_its_vector():
    template = weibull_template(2)
    x = np.array([0.4, np.log(5.0), np.log(40.0), np.log(0.8), np.log(3.0)])
    weights = np.array([1.0, np.exp(0.4)]) / (1.0 + np.exp(0.4))
    hazards = (TIMES[:, None] / np.array([5.0, 40.0])) ** np.array([0.8, 3.0])
    np.testing.assert_allclose(template.at(x).survival(TIMES), np.exp(-hazards) @ weights)
    single = weibull_template(1)
    assert single.size == 2 and single.logits.size == 0
    np.testing.assert_allclose(single.at(x[[2, 4]]).cumulative_hazard(TIMES), hazards[:, 1])
