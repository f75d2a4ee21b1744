"""Laws that a family approaches as its parameters run off, but does not hold."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class LimitLaw:
    """A power of time up to an end, F(t) = (t / end)^power, or of its inverse from an end on.

    Attributes
    ----------
    name : str
        As a message calls it.
    formula : str
        What it says, in `end` and `power`.
    from_above : bool
        Whether lives lie below the end; else above it, S(t) = (t / end)^-power.
    """

    name: str
    formula: str
    from_above: bool

    def log_density(self, log_t: np.ndarray, log_end: float, power: float) -> np.ndarray:
        """Log density at logs of times on the right side of the end."""
        away = np.abs(log_t - log_end)
        return np.asarray(np.log(power) - log_t - power * away)

    def log_tails(
        self, log_t: np.ndarray, log_end: float, power: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logs of P(T <= t) and P(T > t); on the wrong side of the end zero and -inf."""
        away = (log_end - log_t) if self.from_above else (log_t - log_end)
        with np.errstate(divide="ignore"):
            near = -power * np.maximum(away, 0.0)
            far = np.log(-np.expm1(near))
        return (near, far) if self.from_above else (far, near)


POWER_FUNCTION = LimitLaw("power function", "F(t) = (t / end)^power up to its end", True)
PARETO = LimitLaw("Pareto law", "S(t) = (t / end)^-power from its end on", False)
