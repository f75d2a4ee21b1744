"""What is asked of rows before a branch: of many groups side by side it is one question.

With an answer for each group there is no branch: both of its sides are computed for all of them.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap


@custom_vmap
def all_failed(event: jax.Array) -> jax.Array:
    """Whether all rows, of all groups, are exact failures."""
    return jnp.all(event > 0)


@all_failed.def_vmap
def _of_many_groups(_: int, __: list[bool], event: jax.Array) -> tuple[jax.Array, bool]:
    return all_failed(event), False
