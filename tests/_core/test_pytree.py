"""Objects that JAX carries: parameters told apart from data and from choices."""

import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from survjax._core.precision import double_precision
from survjax._core.pytree import (
    compiled_method,
    data,
    fixed,
    parameter,
    parameter_names,
    pytree,
    ravel_parameters,
)
from survjax.lifetimes import (
    Conditional,
    Exponential,
    Gompertz,
    Gumbel,
    LogLogistic,
    LogNormal,
    Mixture,
    Weibull,
)


@pytree
class Inner:
    slope: Any = parameter()
    table: Any = parameter(default=None)
    age: Any = data(default=0.0)


@pytree
class Outer:
    logits: Any = parameter()
    parts: Any
    given: Any = data()
    power: int = fixed(default=2)


def nested():
    parts = (Inner(1.0, np.arange(4.0).reshape(2, 2)), Inner(np.array([5.0, 6.0]), age=9.0))
    return Outer(np.array([7.0]), parts, given=Inner(100.0), power=3)


def test_parameters_are_laid_out_in_the_order_of_their_declarations():
    vector, unravel = ravel_parameters(nested())
    np.testing.assert_array_equal(vector, [7, 1, 0, 1, 2, 3, 5, 6])
    assert parameter_names(nested()) == (
        "logits[0]",
        "parts[0].slope",
        *(f"parts[0].table[{i}, {j}]" for i in (0, 1) for j in (0, 1)),
        "parts[1].slope[0]",
        "parts[1].slope[1]",
    )
    back = unravel(vector + 1.0)
    np.testing.assert_array_equal(back.parts[0].table, [[1, 2], [3, 4]])


def test_data_and_choices_stay_as_they_are():
    tree = nested()
    back = ravel_parameters(tree)[1](jnp.zeros(8))
    assert back.given is tree.given
    assert back.power == 3
    assert back.parts[1].age == 9.0
    assert back.parts[1].table is None


def test_two_classes_with_the_same_fields_are_two_structures():
    """Where their structures were equal, one call in some hundred ran the other's program."""
    classes = [Weibull, LogLogistic, LogNormal, Gumbel, Gompertz]
    for left, right in itertools.permutations(classes, 2):
        structures = [jax.tree.structure(cls(1.0, 2.0)) for cls in (left, right)]
        assert structures[0] != structures[1]
        assert jax.tree.structure(left(1.0, 2.0)) == jax.tree.structure(left(3.0, 4.0))
    with_choice = [jax.tree.structure(Outer(1.0, (), 2.0, power)) for power in (2, 3)]
    assert with_choice[0] != with_choice[1]
    paths = jax.tree_util.tree_leaves_with_path(nested())
    assert jax.tree_util.keystr(paths[0][0]) == ".logits"


def test_objects_pass_through_jit_grad_and_vmap():
    tree = nested()
    doubled = jax.jit(lambda t: jax.tree.map(lambda leaf: 2 * leaf, t))(tree)
    assert doubled.power == 3
    assert float(doubled.given.slope) == 200.0

    def total(vector):
        made = ravel_parameters(tree)[1](vector)
        return jnp.sum(made.parts[0].table ** made.power) + made.given.slope

    gradient = jax.grad(total)(ravel_parameters(tree)[0])
    np.testing.assert_allclose(gradient, [0, 0, 0, 3, 12, 27, 0, 0])


def test_objects_cannot_be_altered():
    with pytest.raises(dataclasses.FrozenInstanceError):
        nested().power = 4


def test_an_object_without_parameters_ravels_to_nothing():
    vector, unravel = ravel_parameters(Conditional(Inner(None), 3.0))
    assert vector.shape == (0,)
    assert unravel(vector).age == 3.0


@double_precision
def test_names_of_a_mixture_follow_its_vector():
    mixture = Mixture(np.array([0.3]), Weibull(np.log([5.0, 40.0]), np.log([0.8, 3.0])))
    vector, unravel = ravel_parameters(mixture.given(3.0))
    assert parameter_names(mixture) == (
        "logits[0]", "components.log_scale[0]", "components.log_scale[1]",
        "components.log_shape[0]", "components.log_shape[1]",
    )  # fmt: skip
    assert vector.shape == (5,)
    assert float(unravel(vector).survival(1.0)) == float(mixture.given(3.0).survival(1.0))


@pytest.mark.parametrize("t", [3, 3.0, [1, 2.0], (1.0, 2.0), np.float32(3), pd.Series([1.0, 2.0])])
def test_compiled_methods_take_what_numpy_takes(t):
    expected = -np.expm1(-np.asarray(t, float) / 2.0)
    np.testing.assert_allclose(Exponential.of(2.0).cdf(t), expected, rtol=1e-6)
    np.testing.assert_allclose(Exponential.of(2.0).cdf(t=t), expected, rtol=1e-6)


def test_a_compiled_method_is_one_program_alone_and_plain_steps_within_another():
    life = Exponential.of(2.0)
    steps = jax.make_jaxpr(life.density)(1.0).eqns
    assert len(steps) > 10
    assert not {"density", "log_density"} & {str(step.params.get("name")) for step in steps}


def test_methods_of_an_object_that_jax_does_not_know_run_as_code():
    class Unknown:
        rate = 2.0

        @compiled_method
        def twice(self, x):
            return self.rate * x

    assert Unknown().twice(3.0) == 6.0
