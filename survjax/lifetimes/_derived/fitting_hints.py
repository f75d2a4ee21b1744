"""What a fit asks of a lifetime: where to begin, how long steps are, and what no answer is."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.programs import program
from survjax.lifetimes._derived.limit_laws import LimitLaw
from survjax.lifetimes._derived.nearest_quantiles import nearest_quantiles


class FittingHints:
    """Defaults that serve any family; one that knows better says so."""

    #: How many members `starts` gives.
    n_starts: ClassVar[int] = 1
    #: Whether `with_quantiles` takes times (m, ...) to many members at once.
    many_with_quantiles: ClassVar[bool] = False
    #: Whether hazards are smooth functions of log time, without a kink.
    is_smooth: ClassVar[bool] = True
    #: Whether there may be times between which, or after which, hardly anything fails.
    levels_off: ClassVar[bool] = False
    #: Whether H is known to grow without bound, whatever the parameters; in doubt not.
    always_fails: ClassVar[bool] = False
    #: Whether `log_density` is a formula of its own, at a fraction of the cost of the survival.
    has_own_density: ClassVar[bool] = False
    #: Whether units may fail at time zero, so that zeros among the failures are data.
    fails_at_zero: ClassVar[bool] = False
    #: Whether there are components, of which each unit belongs to one.
    is_mixture: ClassVar[bool] = False
    #: Whether log time is a location, `log_scale`, plus noise.
    is_log_linear: ClassVar[bool] = False
    #: Whether the cumulative hazard is a power of time.
    has_power_hazard: ClassVar[bool] = False
    #: Whether a unit does not age.
    is_memoryless: ClassVar[bool] = False
    #: Whether lives begin at a threshold that is fitted, beyond which no failure may lie.
    has_threshold: ClassVar[bool] = False
    #: Whether its functions can be differentiated four times.
    has_fourth_derivatives: ClassVar[bool] = True
    #: Whether the exponential of the first parameter stretches time.
    scale_first: ClassVar[bool] = False

    @property
    def fails_before_zero(self) -> bool:
        """Whether some mass lies before time zero, as the base's may: a new unit may be gone."""
        base = getattr(self, "base", None)
        return base is not None and bool(base.fails_before_zero)

    def with_quantiles(self, shares: jax.Array, times: jax.Array) -> Any:
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
        family: Any = self
        return nearest_quantiles(family, shares, times)

    def starts(self, shares: Any, times: Any) -> tuple[Any, ...]:
        """Members with about these quantiles, from which the highest maximum is reached."""
        return (self.with_quantiles(shares, times),)

    def inner(self) -> tuple[str, Any]:
        """The lifetime inside of all that modifies it, and the dotted way to it: here itself."""
        return "", self

    def share_inside(self) -> float:
        """Share of the units whose life is that of the innermost lifetime."""
        return 1.0

    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds of units that there are, in the order of `log_membership`."""
        return ()

    def held_at(self, threshold: float) -> Any:
        """The lifetime with its threshold, if it has one, given as a number."""
        return self

    def limits(self) -> tuple[LimitLaw, ...]:
        """Laws that the family approaches as parameters run off: what a fit may climb to."""
        return ()

    def nearby_limit(self) -> str:
        """What these parameters, which ran off, are on the way to; empty where nobody can say."""
        return ""

    def plainest(self) -> Any:
        """The lifetime, or the one component of a mixture that has no more."""
        return self

    def with_hazard_ratio(self, log_ratio: Any) -> Any:
        """The member of the family whose hazard is a multiple of this one's; None without one."""
        return None

    def nearby_base(self) -> Any:
        """The lifetime at whose own maximum these parameters, which ran off, arrive; or None."""
        return None

    def improper(self) -> str:
        """What makes these parameters no lifetime, though rows may have a likelihood; or nothing.

        An iteration that ends at such parameters has found no answer.
        """
        return ""

    def rough_log_quantiles(self, shares: np.ndarray) -> np.ndarray:
        """Logs of quantiles by NumPy, as exact as comparing components needs."""
        # What has failed at birth has no logarithm: it is far below all else.
        return np.log(np.maximum(np.asarray(_quantiles(self, shares)), np.finfo(float).tiny))

    def step_units(self) -> Any:
        """What each parameter is multiplied by where the length of a step is taken: itself a tree.

        A step of length one then changes the lifetime much, whatever it is. All ones by default.
        """
        return jax.tree.map(jnp.ones_like, self)

    def is_steeper(self, log_shape: ArrayLike) -> jax.Array:
        """Whether the lifetime, or a component, is steeper than a Weibull of that log shape.

        A family that cannot say so at little cost says False: a fit looks at its quantiles.
        """
        return jnp.zeros((), bool)


@program
def _quantiles(lifetime: Any, shares: jax.Array) -> jax.Array:
    return lifetime.quantile(shares)
