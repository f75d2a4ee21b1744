"""A program that is kept as if it stood in survjax, and what happens to it on disk."""

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.precision import double_precision
from survjax._core.programs import compiled as programs
from survjax.lifetimes import Weibull

PUMP = Weibull(np.array(1.2), np.array(0.7))
T, AGES = np.linspace(0.1, 9.0, 8), np.linspace(0.0, 3.0, 8)


def log_hazards(lifetime, t, ages):
    """Logs of the cumulative hazard, and their slopes in time."""

    def total(t):
        y = jnp.log(lifetime.cumulative_hazard(ages + t))
        return jnp.sum(y), y

    (_, y), rate = jax.value_and_grad(total, has_aux=True)(t)
    return y, rate


# As if it stood in survjax, whose own programs alone are kept.
log_hazards.__module__ = "survjax.made"
PROGRAM = programs.program(log_hazards)


@double_precision
def call(lifetime=PUMP):
    """Run the program; its results as NumPy arrays."""
    return [np.asarray(part) for part in PROGRAM(lifetime, T, AGES)]


class Counts:
    """How often a program was packed after compilation, and how often one was loaded."""

    def __init__(self, patch):
        self.packed = self.loaded = 0
        pack, unpack = programs.pack, programs.unpack

        def counted_pack(compiled, text):
            self.packed += 1
            return pack(compiled, text)

        def counted_unpack(content, text):
            found = unpack(content, text)
            self.loaded += found is not None
            return found

        patch.setattr(programs, "pack", counted_pack)
        patch.setattr(programs, "unpack", counted_unpack)


def the_file(place):
    (path,) = place.iterdir()
    return path


def assert_same(left, right):
    for ours, theirs in zip(left, right, strict=True):
        np.testing.assert_array_equal(ours, theirs)
