"""One choice by platform says how rows are summed, and it changes no answer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from survjax import AcceleratedLifetime, WeibullMixture
from survjax._core.precision import double_precision
from survjax._core.programs import clear_programs
from survjax.data.observations import Observations
from survjax.data.truncation_rows import with_truncation_rows
from survjax.fitting.corrections import Correction
from survjax.fitting.local_maxima import Limits, maximize_from
from survjax.likelihood import executors
from survjax.likelihood.executors import ACCELERATOR, CPU, CPU_WITH_COLUMNS, executor
from survjax.likelihood.objective import Objective
from survjax.likelihood.rows import padded
from survjax.likelihood.weibulls import weibull_template


def fleet(n, seed=0):
    rng = np.random.default_rng(seed)
    life = np.where(rng.random(n) < 0.4, 5 * rng.weibull(0.8, n), 40 * rng.weibull(3.0, n))
    end = rng.uniform(10.0, 60.0, n)
    return np.minimum(life, end), life <= end


@pytest.fixture
def as_on_an_accelerator(monkeypatch):
    """Programs that are traced inside sum rows as an accelerator would."""
    # Files are named after the platform that there is: none may hold such a program.
    monkeypatch.setenv("SURVJAX_CACHE_DIR", "")
    clear_programs()
    monkeypatch.setattr(executors, "platform", lambda: "gpu")
    yield
    monkeypatch.undo()
    clear_programs()


@pytest.mark.parametrize("which", [CPU, CPU_WITH_COLUMNS, ACCELERATOR])
@pytest.mark.parametrize("n", [1, 127, 2049, 4097, 65_537, 2**20, 2**20 + 1, 5_000_000, 12_345_678])
def test_filling_up_is_cheap_and_makes_equal_blocks(which, n):
    size = which.size(n)
    assert n <= size <= max(which.sizes[:1] or (64,)) or size <= 4.1 * n
    if n > 4 * which.block:
        assert size <= 1.26 * n
    assert size % which.n_blocks(size) == 0
    assert size / which.n_blocks(size) <= which.block


@double_precision
def test_sums_over_blocks_are_those_over_all_rows():
    rows = (np.arange(8192.0) / 8192, np.ones((8192, 3)))

    def sums(part):
        return {"a": jnp.sum(part[0]), "b": jnp.sum(part[0][:, None] * part[1], axis=0)}

    found, whole = CPU.in_blocks(sums, rows), sums(rows)
    assert CPU.n_blocks(8192) == 2
    for name in whole:
        np.testing.assert_allclose(found[name], whole[name], rtol=1e-13)


@double_precision
def test_all_rows_at_once_have_the_derivatives_of_their_blocks(request):
    rows = Observations.from_durations(*fleet(30_000))
    template, x = weibull_template(2), np.array([0.1, 1.7, 3.7, -0.2, 1.1])
    in_parts = Objective(template, rows)(x)
    request.getfixturevalue("as_on_an_accelerator")
    at_once = Objective(template, rows)
    assert len(at_once.in_memory.parts) == 1 and not executor().parts
    for ours, theirs in zip(at_once(x), in_parts, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("late", [False, True])
def test_a_fit_as_on_an_accelerator_is_that_of_the_cpu(late, request):
    life, failed = fleet(30_000)
    entry = np.random.default_rng(1).uniform(0.0, 0.9, life.size) * life if late else None
    theirs = WeibullMixture(2).fit(life, failed, entry=entry)
    request.getfixturevalue("as_on_an_accelerator")
    ours = WeibullMixture(2).fit(life, failed, entry=entry)
    spread = np.sqrt(np.diagonal(theirs.covariance_))
    assert np.abs((ours.parameters_ - theirs.parameters_) / spread).max() < 1e-9
    assert ours.log_likelihood_ == pytest.approx(theirs.log_likelihood_, rel=1e-12)
    np.testing.assert_allclose(ours.covariance_, theirs.covariance_, rtol=1e-4)
    assert ours.converged_ and theirs.converged_
    # The path goes on over all rows, from where the few led.
    assert ours.history_["log_likelihood"].iloc[-1] == pytest.approx(ours.log_likelihood_)


def test_a_regression_as_on_an_accelerator_is_that_of_the_cpu(request):
    life, failed = fleet(9_000)
    X = np.random.default_rng(2).normal(size=(life.size, 3))
    life = life * np.exp(0.3 * X[:, 0])
    theirs = AcceleratedLifetime("lognormal").fit(X, np.column_stack([life, failed]))
    request.getfixturevalue("as_on_an_accelerator")
    ours = AcceleratedLifetime("lognormal").fit(X, np.column_stack([life, failed]))
    np.testing.assert_allclose(ours.parameters_, theirs.parameters_, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("n", [30_000, 3_000_000])
def test_the_iterations_on_all_rows_lower_as_one_program(n, as_on_an_accelerator):
    template = weibull_template(2)
    rows = with_truncation_rows(Observations.from_durations(*fleet(n)))
    rows = padded(rows)
    p = template.size
    given = (
        template.lifetime, np.zeros((3, p)), rows, Limits.of(1e-9, 100), Correction.none(p),
    )  # fmt: skip
    function = jax.jit(maximize_from.__wrapped__)
    with jax.enable_x64(True):
        lowered = export.export(function, platforms=["cuda", "tpu"])(*given)
    text = lowered.mlir_module()
    assert "stablehlo.while" in text and "callback" not in text
    n_blocks = executor().n_blocks(rows.n_rows)
    # No block of a CPU's cache in it: the rows are summed at once, or in a few large blocks.
    assert n_blocks == (1 if n <= 2**20 else 3)
    assert "4096xf64" not in text
