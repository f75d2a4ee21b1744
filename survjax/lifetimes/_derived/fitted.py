"""What a fit asks of a family: where to begin, how far to step, what it may climb to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from survjax.lifetimes._derived.limit_laws import LimitLaw
from survjax.lifetimes._derived.nearest_quantiles import nearest_quantiles

if TYPE_CHECKING:
    from survjax.lifetimes._base import Lifetime


class Fitted:
    """Defaults of what a family may say of its own fits."""

    #: How many members `starts` gives.
    n_starts: ClassVar[int] = 1

    def with_quantiles(self, shares: Any, times: Any) -> Lifetime:
        """The member of the family whose quantiles are nearest: where a fit begins.

        Parameters
        ----------
        shares, times : arrays of shape (m,)
            By time `times[i]` a share `shares[i]` of units has failed; rising, inside (0, 1).

        Notes
        -----
        Least squares in log H(times) by `survjax.optimize.newton`, from these parameters, or from
        the best of those that other units of time would make of them: each parameter whose name
        begins with `log_` stays, or follows the unit, or its inverse. A family overrides this where
        the answer is a formula.
        """
        me: Any = self
        return nearest_quantiles(me, shares, times)

    def starts(self, shares: Any, times: Any) -> tuple[Lifetime, ...]:
        """Members with about these quantiles, from which the highest maximum is reached."""
        return (self.with_quantiles(shares, times),)

    def limits(self) -> tuple[LimitLaw, ...]:
        """Laws that the family approaches as parameters run off: what a fit may climb to."""
        return ()

    def rough_log_quantiles(self, shares: np.ndarray) -> np.ndarray:
        """Logs of quantiles by NumPy, as exact as comparing components needs."""
        me: Any = self
        return np.log(np.asarray(me.quantile(shares)))

    def step_units(self) -> Lifetime:
        """What each parameter is multiplied by where the length of a step is taken: itself a tree.

        A step of length one then changes the lifetime much, whatever it is. All ones by default.
        """
        units: Any = jax.tree.map(jnp.ones_like, self)
        found: Lifetime = units
        return found

    def is_steeper(self, log_shape: Any) -> jax.Array:
        """Whether the lifetime, or a component, is steeper than a Weibull of that log shape.

        A family that cannot say so at little cost says False: a fit looks at its quantiles.
        """
        return jnp.zeros((), bool)
