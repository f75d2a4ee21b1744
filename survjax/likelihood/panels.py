"""Panels for the integrals of each cause's hazard times the survival of all, found on the host.

In log time a panel is halved until the last Legendre coefficients of the integrands say that their
polynomials resolve them, and until what all causes have ended in it is what the survival lost, so
that nothing narrow is missed between two nodes. Only the integrands are compiled.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from survjax._core.programs import program
from survjax._core.quadrature import LAST_COEFFICIENTS, PANEL_NODES, PANEL_WEIGHTS
from survjax.lifetimes import Competing

#: Nodes of one call.
WIDTH = 4096
#: Panels to begin with, rounds of halving, and the relative error at which they end.
PANELS, ROUNDS, TOLERANCE = 8, 40, 1e-12
#: Panels of one unit that are halved in a round: features are few, and only rounding is everywhere.
MOST_HALVED = 48
#: Log of the smallest size that counts.
SMALLEST = -690.0


@program
def _rates(lifetime: Competing, t: jax.Array, ages: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Log hazards of the causes (K, n) and the cumulative hazard (n,) of the remaining life."""
    rest = lifetime.given(ages)
    return rest.each(lambda cause: cause.log_hazard(t)), rest.cumulative_hazard(t)


def rates(lifetime: Competing, t: np.ndarray, ages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log hazards of the causes (K, n) and the cumulative hazard (n,), at times after ages."""
    logs, hazard = in_calls(lambda *nodes: _rates(lifetime, *nodes), t, ages)
    return logs, hazard


#: Log hazards of the causes (K, m) and cumulative hazards (m,) at times (m,) of units (m,).
Rates = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def rates_from(lifetime: Competing, ages: np.ndarray) -> Rates:
    """The rates of units that all have one lifetime, at times after their ages (n,)."""
    return lambda t, unit: rates(lifetime, t, ages[unit])


def in_calls(run: Callable[..., Any], *columns: np.ndarray) -> list[np.ndarray]:
    """Results (..., n) of a program that takes columns (n,) of a fixed length."""
    n = columns[0].size
    wide = [np.pad(part, (0, -n % WIDTH), mode="edge") for part in columns]
    calls = [run(*(part[i : i + WIDTH] for part in wide)) for i in range(0, wide[0].size, WIDTH)]
    found = zip(*(call if isinstance(call, tuple) else (call,) for call in calls), strict=True)
    return [np.concatenate([np.asarray(x) for x in parts], axis=-1)[..., :n] for parts in found]


@dataclasses.dataclass(frozen=True)
class Panels:
    """Panels (m,) in log time.

    Attributes
    ----------
    unit : int array of shape (m,)
        Whose they are.
    low, high : arrays of shape (m,)
        Logs of times.
    sizes, errors : arrays of shape (K, m)
        What each cause ends there, and what that may be wrong by, in units of its own scale.
    missing : array of shape (m,)
        What the survival lost beyond what all causes ended.
    """

    unit: np.ndarray
    low: np.ndarray
    high: np.ndarray
    sizes: np.ndarray
    errors: np.ndarray
    missing: np.ndarray

    def take(self, chosen: np.ndarray) -> Panels:
        """Some of the panels."""
        return Panels(*(getattr(self, f.name)[..., chosen] for f in dataclasses.fields(self)))

    def with_more(self, more: Panels) -> Panels:
        """These panels and others."""
        names = [f.name for f in dataclasses.fields(self)]
        pairs = ((getattr(self, name), getattr(more, name)) for name in names)
        return Panels(*(np.concatenate(pair, axis=-1) for pair in pairs))

    @property
    def log_times(self) -> np.ndarray:
        """The nodes (m, 16)."""
        return _log_times(self.low, self.high)

    @property
    def weights(self) -> np.ndarray:
        """Their weights (m, 16), for integrals over log time."""
        return 0.5 * (self.high - self.low)[:, None] * PANEL_WEIGHTS


def _log_times(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The nodes (m, 16) of panels."""
    return 0.5 * (high + low)[:, None] + 0.5 * (high - low)[:, None] * PANEL_NODES


class Integrals:
    """Integrals of h_k S in log time, for n units.

    Parameters
    ----------
    rates : callable
        Of the units, at times of their own.
    wanted : bool array of shape (K, n)
        Whose integrals are to be resolved.
    """

    def __init__(self, rates: Rates, wanted: np.ndarray) -> None:
        self.rates, self.wanted = rates, wanted
        #: Logs of the sizes of the integrands (K, n), taken from their first nodes.
        self.scale = np.full(wanted.shape, np.nan)

    def _look(self, unit: np.ndarray, low: np.ndarray, high: np.ndarray) -> Panels:
        """Integrate over panels."""
        x = np.concatenate([_log_times(low, high), low[:, None], high[:, None]], axis=1)
        logs, hazard = self.rates(np.exp(x).ravel(), np.repeat(unit, x.shape[1]))
        logs, hazard = logs.reshape(-1, *x.shape), hazard.reshape(x.shape)
        inside, half = slice(None, PANEL_NODES.size), 0.5 * (high - low)
        logs = logs[..., inside] - hazard[:, inside] + x[:, inside]
        if np.isnan(self.scale).all():
            top = np.full(self.scale.T.shape, -np.inf)
            np.maximum.at(top, unit, logs.max(axis=2).T)
            # What is smaller is nothing.
            self.scale = np.maximum(np.where(np.isfinite(top), top, 0.0), SMALLEST).T
        scale = self.scale[:, unit]
        values = np.exp(np.minimum(logs - scale[..., None], 700.0))
        sizes = half * (values @ PANEL_WEIGHTS)
        # Coefficients fall geometrically, and the rule is exact for twice as many as it has nodes.
        left, peak = np.abs(values @ LAST_COEFFICIENTS.T).max(axis=2), values.max(axis=2)
        errors = half * left**2 / np.where(peak > 0, peak, 1.0)
        begin, end = hazard[:, -2], hazard[:, -1]
        lost = np.exp(-begin) * -np.expm1(-np.maximum(end - begin, 0.0))
        missing = np.abs((sizes * np.exp(scale)).sum(axis=0) - lost)
        return Panels(unit, low, high, sizes, errors, missing)

    def refined(
        self, low: np.ndarray, high: np.ndarray, share: np.ndarray, n_panels: int = PANELS
    ) -> Panels:
        """Panels that resolve the integrals from low to high (n,); `share` is what ends there."""
        n = low.size
        steps = np.linspace(0.0, 1.0, n_panels + 1)
        ends = low[:, None] + (high - low)[:, None] * steps
        unit = np.repeat(np.arange(n), n_panels)
        active = self._look(unit, ends[:, :-1].ravel(), ends[:, 1:].ravel())
        done = active.take(np.zeros(0, int))
        for _ in range(ROUNDS):
            total = self.totals(done) + self.totals(active)
            bad = (active.errors > TOLERANCE * total[:, active.unit]) & self.wanted[:, active.unit]
            lost = active.missing > TOLERANCE * share[active.unit]
            again = bad.any(axis=0) | lost
            again &= np.bincount(active.unit[again], minlength=n)[active.unit] <= MOST_HALVED
            done = done.with_more(active.take(np.flatnonzero(~again)))
            active = active.take(np.flatnonzero(again))
            if not active.unit.size:
                return done
            middle = 0.5 * (active.low + active.high)
            active = self._look(
                np.tile(active.unit, 2),
                np.concatenate([active.low, middle]),
                np.concatenate([middle, active.high]),
            )
        return done.with_more(active)

    def totals(self, panels: Panels) -> np.ndarray:
        """The integrals (K, n), in units of the causes' scales."""
        n = self.wanted.shape[1]
        return np.stack([np.bincount(panels.unit, row, n) for row in panels.sizes])
