"""Double precision inside a call, and nothing of it outside."""

import concurrent.futures
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from survjax._core.precision import double_precision


@double_precision
def third():
    """A third, by JAX."""
    return np.asarray(jnp.asarray(1.0) / 3.0)


@pytest.mark.parametrize("setting", [False, True])
def test_a_decorated_call_is_double_and_leaves_the_setting(setting):
    with jax.enable_x64(setting):
        assert third().dtype == np.float64
        assert third() == 1.0 / 3.0
        assert jax.config.jax_enable_x64 is setting
        assert jnp.ones(1).dtype == (np.float64 if setting else np.float32)


def test_the_setting_comes_back_after_an_error():
    @double_precision
    def fails():
        raise KeyError("inside")

    before = jax.config.jax_enable_x64
    with pytest.raises(KeyError, match="inside"):
        fails()
    assert jax.config.jax_enable_x64 is before


@pytest.mark.parametrize(
    ("setting", "value"),
    [(jax.debug_nans, True), (jax.debug_infs, True), (jax.numpy_dtype_promotion, "strict"),
     (jax.numpy_rank_promotion, "raise")],
    ids=["nans", "infs", "types", "ranks"],
)  # fmt: skip
def test_what_the_caller_forbids_its_own_programs_does_not_stop_a_call(setting, value):
    @double_precision
    def careless():
        masked = jnp.where(jnp.arange(2) > 0, 1.0, jnp.log(jnp.arange(2) * 0.0) * 0.0)
        return np.asarray(masked + jnp.ones((3, 1)) + (jnp.arange(2) > 0))

    with setting(value):
        assert np.isnan(careless()[0, 0])
        with pytest.raises((FloatingPointError, TypeError, ValueError)):
            careless.__wrapped__()
    assert careless()[2, 1] == 3.0


def test_an_underflow_is_no_error_inside_and_still_one_outside():
    @double_precision
    def tiny():
        return np.exp(np.full(2, -1e4))

    with np.errstate(all="raise"):
        assert tiny()[0] == 0.0
        with pytest.raises(FloatingPointError):
            np.exp(np.full(2, -1e4))


def test_calls_inside_calls_stay_double():
    @double_precision
    def outer():
        inner = third()
        return inner, jnp.ones(1).dtype

    inner, kind = outer()
    assert (inner, kind) == (1.0 / 3.0, np.float64)


def test_name_docstring_arguments_and_result_are_those_of_the_function():
    @double_precision
    def named(a, *, b=2):
        """What it does."""
        return a, b

    assert (named.__name__, named.__doc__) == ("named", "What it does.")
    assert named(1, b=3) == (1, 3)


def test_one_threads_setting_is_not_anothers():
    inside, checked = threading.Event(), threading.Event()

    @double_precision
    def waits():
        inside.set()
        assert checked.wait(30)
        return jnp.ones(1).dtype

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        other = pool.submit(waits)
        assert inside.wait(30)
        mine = jnp.ones(1).dtype
        checked.set()
        assert (mine, other.result()) == (np.float32, np.float64)


def test_a_compiled_function_serves_both_precisions():
    double = jax.jit(lambda x: x * 2)
    assert double(np.float32(0.1)).dtype == np.float32
    assert np.asarray(double_precision(double)(np.float64(0.1))) == 0.2
    assert double(np.float64(0.1)).dtype == np.float32
