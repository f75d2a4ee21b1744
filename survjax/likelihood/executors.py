"""Where the rows of a fit are, and in which pieces they are summed: one choice, by platform.

On a CPU the sums run over blocks that stay in cache, and threads share the parts of large data. On
an accelerator all rows stay on the device, in blocks that only bound its memory, and Newton's
iterations on them are one program.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from survjax._core.numerics import bucket_size

Rows = TypeVar("Rows")
Sums = TypeVar("Sums")


@dataclasses.dataclass(frozen=True)
class Executor:
    """How rows are summed.

    Attributes
    ----------
    block : int
        Rows whose intermediate results are held at once.
    unit : int
        More rows than one block are filled up so that each block holds a multiple of this.
    sizes : tuple of int
        Numbers of few rows that programs are compiled for; without them, those of `bucket_size`.
    parts : tuple of int or None
        The two sizes of the parts that threads share; None where all rows are one part.
    one_program : bool
        Whether the iterations on all rows are one program, rather than a few evaluations of the
        sums that the host asks for.
    fine : int
        Rows of the smallest block that is worth a turn of its own; 0 where none is.
    """

    block: int
    unit: int
    sizes: tuple[int, ...]
    parts: tuple[int, int] | None
    one_program: bool
    fine: int = 0

    def side_by_side(self, n: int) -> int:
        """How many iterations on n rows go side by side in one program, if there are so many.

        On a CPU one after another: none waits for the last one to end, and each knows where those
        before it came to.
        """
        if self.one_program:
            return MANY if n <= FEW else SOME
        return 1

    def size(self, n: int) -> int:
        """The number of rows that n are filled up to."""
        fitting = [size for size in self.sizes if size >= n]
        if fitting:
            return fitting[0]
        if n <= self.block:
            return min(bucket_size(n), self.block)
        n_blocks = -(-n // self.block)
        rows_each = -(-n // n_blocks)
        return n_blocks * (-(-rows_each // self.unit) * self.unit)

    def n_blocks(self, n: int) -> int:
        """How many blocks n rows are summed in: one where they were not filled up to blocks."""
        n_blocks = -(-n // self.block)
        return n_blocks if n % n_blocks == 0 and (n // n_blocks) % self.unit == 0 else 1

    def in_blocks(
        self, sum_over: Callable[[Rows], Sums], rows: Rows, *, fine: bool = False
    ) -> Sums:
        """Add up a pytree of sums over blocks of rows, in a fixed order, inside of a program.

        `rows` is a pytree of arrays whose first axis are the rows. `fine` is for sums that take
        some blocks far less time than others: few rows are many blocks too.
        """
        n = jax.tree.leaves(rows)[0].shape[0]
        n_blocks = self.n_blocks(n)
        if fine and n_blocks == 1 and self.fine and n % self.fine == 0:
            n_blocks = max(min(n // self.fine, MOST_FINE_BLOCKS), 1)
            n_blocks = n_blocks if n % n_blocks == 0 else 1
        if n_blocks == 1:
            return sum_over(rows)
        blocks = jax.tree.map(lambda a: a.reshape(n_blocks, -1, *a.shape[1:]), rows)
        # The accumulators' shapes come for free; the body is compiled once.
        first = jax.eval_shape(sum_over, jax.tree.map(lambda a: a[0], blocks))
        zero = jax.tree.map(lambda part: jnp.zeros(part.shape, part.dtype), first)

        def add(total: Sums, block: Rows) -> tuple[Sums, None]:
            return jax.tree.map(jnp.add, total, sum_over(block)), None

        return lax.scan(add, zero, blocks)[0]


#: On an accelerator so many iterations go side by side on few rows, and so many on more.
MANY, FEW, SOME = 16, 256, 4
#: Few rows are parted into at most so many blocks.
MOST_FINE_BLOCKS = 16
SIZES = (128, 512, 1024, 2048, 4096)
#: A block of 4,096 rows without covariates fits the second-level cache, and one of 2,048 with ten.
CPU = Executor(4096, 4096, SIZES, (65_536, 16_384), one_program=False, fine=32)
CPU_WITH_COLUMNS = Executor(2048, 2048, (), (65_536, 65_536), one_program=False)
#: Some 20 intermediate results of 2^20 rows take 170 MB.
ACCELERATOR = Executor(2**20, 2**16, SIZES, None, one_program=True)


def platform() -> str:
    """The platform that programs run on, such as "cpu" or "gpu"."""
    return str(jax.default_backend())


def executor(with_columns: bool = False) -> Executor:
    """The executor of the platform, for rows with covariates or without."""
    if platform() != "cpu":
        return ACCELERATOR
    return CPU_WITH_COLUMNS if with_columns else CPU
