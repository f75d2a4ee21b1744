"""What a modifier says to a fit: its base is asked, on what is left of the curve."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax.lifetimes._base import Lifetime


class Modified(Lifetime):
    """A base lifetime of which one thing is changed, by a parameter of its own that is fitted.

    A subclass says with which of its own values a fit may begin, and which curve is left to its
    base then (`guesses`).
    """

    base: Any

    @abstractmethod
    def guesses(self, shares: np.ndarray, times: np.ndarray) -> Sequence[tuple[Any, Any, Any]]:
        """Own values that a fit may begin with: a number, and the base's shares and times.

        The curve is as in `starts`.
        """

    @property
    def own(self) -> str:
        """Name of the modifier's own parameter."""
        declared = dataclasses.fields(self)  # type: ignore[arg-type]  # every lifetime is a pytree
        return next(f.name for f in declared if f.metadata.get("kind") == "parameter")

    @property
    def levels_off(self) -> bool:  # type: ignore[override]  # as the base does
        return bool(self.base.levels_off)

    @property
    def always_fails(self) -> bool:  # type: ignore[override]  # as the base does
        return bool(self.base.always_fails)

    @property
    def fails_at_zero(self) -> bool:  # type: ignore[override]  # as the base does
        return bool(self.base.fails_at_zero)

    @property
    def has_threshold(self) -> bool:  # type: ignore[override]  # as the base does
        return bool(self.base.has_threshold)

    @property
    def scale_first(self) -> bool:  # type: ignore[override]  # as the base's, which comes first
        return bool(self.base.scale_first)

    def held_at(self, threshold: float) -> Any:
        family: Any = self
        return dataclasses.replace(family, base=self.base.held_at(threshold))

    def kinds(self) -> tuple[str, ...]:
        return tuple(self.base.kinds())

    def log_membership(self, t: Any, failed: Any = False) -> jax.Array:
        """Log of P(kind of unit | it runs at t), or given that it failed at t: (kinds, ...)."""
        found: jax.Array = self.base.log_membership(t, failed)
        return found

    def share_inside(self) -> float:
        return float(self.base.share_inside())

    def nearby_base(self) -> Any:
        """The base, if the modifier has left it behind; or itself around what its base is near."""
        if self.is_nearly_base():
            return self.base
        family: Any = self
        inside = self.base.nearby_base()
        return None if inside is None else dataclasses.replace(family, base=inside)

    def is_nearly_base(self) -> bool:
        """Whether the own parameter has run so far that nothing is changed any more."""
        return False

    def starts(self, shares: Any, times: jax.Array) -> tuple[Any, ...]:
        """Members near a curve of failed shares, for each guess at what is changed.

        The curve begins with the share that failed at time zero, if any did (its time is 0), and
        with the first failure; it ends with the last one.
        """
        found: list[Any] = []
        for value, rest, at in self.guesses(np.asarray(shares, float), np.asarray(times, float)):
            found += self._around_starts(rest, at, **{self.own: value})
        return tuple(found)

    def _around_starts(self, shares: Any, times: Any, **own: Any) -> tuple[Any, ...]:
        """Itself around each of the base's starts, with an own value if there is one."""
        family: Any = self
        inside: Any = slice(None)
        if not isinstance(self.base, Modified):
            # Single failures at both ends say little about a family.
            inside = slice(1 + int(times[0] == 0.0), -1) if len(times) > 5 else times > 0
        found = self.base.starts(shares[inside], times[inside])
        return tuple(dataclasses.replace(family, base=base, **own) for base in found)

    def with_quantiles(self, shares: jax.Array, times: jax.Array) -> Any:
        return self.starts(shares, times)[0]

    def inner(self) -> tuple[str, Any]:
        path, innermost = self.base.inner()
        return f"base.{path}", innermost

    def step_units(self) -> Any:
        family: Any = self
        one = jnp.ones_like(jnp.asarray(getattr(self, self.own)))
        return dataclasses.replace(family, base=self.base.step_units(), **{self.own: one})

    def is_steeper(self, log_shape: ArrayLike) -> jax.Array:
        steeper: jax.Array = self.base.is_steeper(log_shape)
        return steeper
