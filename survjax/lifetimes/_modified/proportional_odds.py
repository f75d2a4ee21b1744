"""A lifetime whose odds of having failed are multiplied."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.numerics import bounded_exp, log1mexp, log1mexp_of_exp, log_softplus, softplus
from survjax._core.pytree import data, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._limits import inside_life, outside_targets
from survjax.lifetimes._modified.modified import Modified


@pytree
class ProportionalOdds(Modified):
    """A base lifetime whose odds of failure by any time are multiplied.

    Parameters
    ----------
    base : Lifetime
        The lifetime at an odds ratio of one.
    log_odds_ratio : array
        Log of the factor on F / (1 - F), such as x'b for a unit with covariates x; broadcasts with
        the times at which the curves are evaluated.

    Notes
    -----
    (1 - S) / S = exp(log_odds_ratio) (1 - S0) / S0 (Bennett 1983). Hazards begin in that ratio and
    become alike with time. The remaining life is one with proportional odds again. Multiplied odds
    of a mixture are those of no mixture: it is fitted as a lifetime without components.

    Examples
    --------
    >>> import math
    >>> from survjax.lifetimes import LogLogistic, ProportionalOdds
    >>> strained = ProportionalOdds(LogLogistic.of(scale=40.0, shape=2.0), math.log(4.0))
    >>> round(float(strained.survival(20.0)), 4)
    0.5
    """

    base: Any
    log_odds_ratio: ArrayLike = data()

    @property
    def odds_ratio(self) -> jax.Array:
        """The odds ratio."""
        return jnp.exp(jnp.asarray(self.log_odds_ratio))

    @property
    def n_starts(self) -> int:  # type: ignore[override]  # as many as the base's
        count: int = self.base.n_starts
        return count

    def inner(self) -> tuple[str, Any]:
        path, innermost = Modified.inner(self)
        return ("", self) if innermost.is_mixture else (path, innermost)

    def kinds(self) -> tuple[str, ...]:
        return ()

    def guesses(self, shares: np.ndarray, times: np.ndarray) -> Sequence[tuple[Any, Any, Any]]:
        return []

    def starts(self, shares: Any, times: Any) -> tuple[Any, ...]:
        """The base's, at the shares that have failed at an odds ratio of one."""
        shares, ratio = np.asarray(shares, float), float(np.exp(np.asarray(self.log_odds_ratio)))
        return self._around_starts(shares / (shares + ratio * (1.0 - shares)), np.asarray(times))

    def step_units(self) -> Any:
        family: Any = self
        return dataclasses.replace(family, base=self.base.step_units())

    def _log_odds(self, hazard: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Whether any has failed, and log of F / (1 - F) from the cumulative hazard of the base."""
        some = hazard > 0
        safe = jnp.where(some, hazard, 1.0)
        return some, jnp.asarray(self.log_odds_ratio) + safe + log1mexp(safe)

    def _log_ratio(self, hazard: jax.Array) -> jax.Array:
        """Log h - log h0 = -log(1 - exp(-H0) + exp(-H0) / odds ratio)."""
        log_odds_ratio = jnp.asarray(self.log_odds_ratio)
        hazard = jnp.minimum(hazard, 0.25 * jnp.finfo(hazard.dtype).max)
        some = hazard > 0
        failed = log1mexp(jnp.where(some, hazard, 1.0))
        later = -jnp.logaddexp(failed, -log_odds_ratio - jnp.where(some, hazard, 1.0))
        return jnp.where(some, later, log_odds_ratio)

    def _total(self, hazard: jax.Array) -> jax.Array:
        """H = log(1 + odds)."""
        some, log_odds = self._log_odds(hazard)
        # Of NaN it is NaN.
        return jnp.where(some, softplus(log_odds), hazard)

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        return self.base.log_hazard(t) + self._log_ratio(self.base.cumulative_hazard(t))

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        return self._total(self.base.cumulative_hazard(t))

    def hazards(self, t: ArrayLike) -> tuple[jax.Array, jax.Array]:
        log_hazard, hazard = self.base.hazards(t)
        return log_hazard + self._log_ratio(hazard), self._total(hazard)

    def final_log_hazard(self) -> jax.Array:
        return self.base.final_log_hazard() + 0.0 * jnp.asarray(self.log_odds_ratio)

    def _aged(self, age: ArrayLike) -> jax.Array:
        """The log odds ratio among those that have reached an age."""
        return self._log_ratio(self.base.cumulative_hazard(age))

    def _log_total(self, log_ratio: jax.Array, log_hazard: jax.Array) -> jax.Array:
        """Log H from the log of H0."""
        none = log_hazard == -jnp.inf
        safe = jnp.where(none, 0.0, log_hazard)
        log_odds = log_ratio + log1mexp_of_exp(safe) + bounded_exp(safe)
        return jnp.where(none, -jnp.inf, log_softplus(log_odds))

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        return self._log_total(self._aged(start), self.base.log_increment(start, length))

    def log_interval_hazard(self, lower: ArrayLike, length: ArrayLike) -> jax.Array:
        lower = jnp.asarray(lower)
        # What fails at birth is in an interval from zero, and not behind it.
        passed = jnp.where(lower > 0, self.base.cumulative_hazard(lower), 0.0)
        grown = self.base.log_interval_hazard(lower, length)
        return self._log_total(self._log_ratio(passed), grown)

    def given(self, age: ArrayLike) -> Lifetime:
        # A new unit may have failed before time zero; one in service has not.
        aged = self._aged(age)
        own = jnp.asarray(self.log_odds_ratio) + 0.0 * aged
        return ProportionalOdds(self.base.given(age), jnp.where(jnp.asarray(age) <= 0, own, aged))

    def rough_cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        return self._total(self.base.rough_cumulative_hazard(t))

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        """The base's time at H0 = log(1 + (exp(H) - 1) / odds ratio)."""
        target = jnp.asarray(target)
        inside, safe = inside_life(target)
        hazard = softplus(safe + log1mexp(safe) - self.log_odds_ratio)
        positive = hazard > 0
        life = self.base.inverse_cumulative_hazard(jnp.where(positive, hazard, 1.0))
        return jnp.where(inside, jnp.where(positive, life, 0.0), outside_targets(target))

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        return self.given(start).inverse_cumulative_hazard(target)
