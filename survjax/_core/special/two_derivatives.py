"""Functions of two numbers that carry their derivatives to second order, as formulas combine them.

Nested automatic differentiation of a long formula makes thousands of operations, which take seconds
to compile; the rules of sum, product and chain make some tens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from survjax._core.pytree import data, pytree


@pytree
class TwoDerivatives:
    """A value and its derivatives along w and q: two of first and three of second order."""

    value: Any = data()
    w: Any = data(default=0.0)
    q: Any = data(default=0.0)
    ww: Any = data(default=0.0)
    wq: Any = data(default=0.0)
    qq: Any = data(default=0.0)

    def __add__(self, other: TwoDerivatives) -> TwoDerivatives:
        total: TwoDerivatives = jax.tree.map(lambda a, b: a + b, self, other)
        return total

    def __neg__(self) -> TwoDerivatives:
        negated: TwoDerivatives = jax.tree.map(lambda a: -a, self)
        return negated

    def __sub__(self, other: TwoDerivatives) -> TwoDerivatives:
        return self + -other

    def __mul__(self, other: TwoDerivatives) -> TwoDerivatives:
        a, b = self, other
        return TwoDerivatives(
            a.value * b.value,
            a.w * b.value + a.value * b.w,
            a.q * b.value + a.value * b.q,
            a.ww * b.value + 2.0 * a.w * b.w + a.value * b.ww,
            a.wq * b.value + a.w * b.q + a.q * b.w + a.value * b.wq,
            a.qq * b.value + 2.0 * a.q * b.q + a.value * b.qq,
        )

    def then(self, value: Any, slope: Any, curvature: Any) -> TwoDerivatives:
        """A function of this, given its value and derivatives there."""
        return TwoDerivatives(
            value,
            slope * self.w,
            slope * self.q,
            curvature * self.w * self.w + slope * self.ww,
            curvature * self.w * self.q + slope * self.wq,
            curvature * self.q * self.q + slope * self.qq,
        )

    def along(self, x: TwoDerivatives, y: TwoDerivatives) -> TwoDerivatives:
        """Have two others take the places of w and q."""
        f = self
        mixed = x.w * y.q + x.q * y.w
        return TwoDerivatives(
            f.value,
            f.w * x.w + f.q * y.w,
            f.w * x.q + f.q * y.q,
            f.ww * x.w**2 + 2.0 * f.wq * x.w * y.w + f.qq * y.w**2 + f.w * x.ww + f.q * y.ww,
            f.ww * x.w * x.q + f.wq * mixed + f.qq * y.w * y.q + f.w * x.wq + f.q * y.wq,
            f.ww * x.q**2 + 2.0 * f.wq * x.q * y.q + f.qq * y.q**2 + f.w * x.qq + f.q * y.qq,
        )

    def turned(self, sign: jax.Array) -> TwoDerivatives:
        """With both w and q multiplied by plus or minus one."""
        return TwoDerivatives(self.value, sign * self.w, sign * self.q, self.ww, self.wq, self.qq)

    def filled(self) -> TwoDerivatives:
        """With an array of the value's shape for each."""
        whole: TwoDerivatives = jax.tree.map(
            lambda part: jnp.broadcast_to(part, self.value.shape).astype(self.value.dtype), self
        )
        return whole


def choose(condition: jax.Array, one: TwoDerivatives, other: TwoDerivatives) -> TwoDerivatives:
    """One where the condition is true, the other elsewhere."""
    chosen: TwoDerivatives = jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)
    return chosen


def of_q(function: Callable[[jax.Array], jax.Array], q: jax.Array) -> TwoDerivatives:
    """A function of q alone, by automatic differentiation."""
    one = jnp.ones_like(q)

    def slope(q: jax.Array) -> Any:
        return jax.jvp(function, (q,), (one,))

    (value, first), (_, second) = jax.jvp(slope, (q,), (one,))
    return TwoDerivatives(value, q=first, qq=second)


def elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function of arrays that acts on each entry by itself see all of them under `vmap`.

    What it asks of all entries, such as whether any of them needs a formula, then stays one answer.
    """

    @jax.custom_batching.custom_vmap
    def whole(*arrays: jax.Array) -> Any:
        return function(*arrays)

    @whole.def_vmap
    def _over_batch(axis_size: int, in_batched: Any, *arrays: jax.Array) -> Any:
        # The batch comes first, then as many axes as any entry has; what has no batch broadcasts.
        depth = max(x.ndim - b for x, b in zip(arrays, in_batched, strict=True))
        fitted = [
            x.reshape(x.shape[:1] + (1,) * (depth + 1 - x.ndim) + x.shape[1:]) if b else x
            for x, b in zip(arrays, in_batched, strict=True)
        ]
        found = whole(*fitted)
        return found, jax.tree.map(lambda _: True, found)

    return whole


def differentiable(derivatives: Callable[..., dict[str, TwoDerivatives]]) -> Callable[..., Any]:
    """Make a JAX function of w and q whose results are given with their derivatives.

    Third derivatives are those of the formulas of the second.
    """

    def parts(found: dict[str, TwoDerivatives], name: str) -> dict[str, Any]:
        return {key: getattr(item, name) for key, item in found.items()}

    @jax.custom_jvp
    def values(w: jax.Array, q: jax.Array) -> Any:
        return parts(derivatives(w, q), "value")

    @jax.custom_jvp
    def with_slopes(w: jax.Array, q: jax.Array) -> Any:
        found = derivatives(w, q)
        return tuple(parts(found, name) for name in ("value", "w", "q"))

    def change(along_w: Any, along_q: Any, tangents: Any) -> Any:
        dw, dq = tangents
        return jax.tree.map(lambda a, b: a * dw + b * dq, along_w, along_q)

    # Each order comes with those below it, so that nothing is computed more than once.
    @values.defjvp
    def _values_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
        found, along_w, along_q = with_slopes(*primals)
        return found, change(along_w, along_q, tangents)

    @with_slopes.defjvp
    def _slopes_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
        found = derivatives(*primals)
        value, w, q, ww, wq, qq = (
            parts(found, name) for name in ("value", "w", "q", "ww", "wq", "qq")
        )
        changes = (change(*pair, tangents) for pair in ((w, q), (ww, wq), (wq, qq)))
        return (value, w, q), tuple(changes)

    return values
