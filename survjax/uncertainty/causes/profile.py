"""Profile bounds of causes that are fitted together: the parameters of all of them give way."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.causes.search import STARTS, ends_from
from survjax.fitting.local_maxima import Limits
from survjax.likelihood.causes.rows import cause_data
from survjax.likelihood.causes_template import CausesTemplate
from survjax.likelihood.vector.constraints import only_free
from survjax.uncertainty.delta import normal_quantile
from survjax.uncertainty.profile_parameters import Parts, profile_quantities
from survjax.uncertainty.targets import Target, target_expansion


@dataclasses.dataclass(frozen=True)
class CausesProfile:
    """The likelihood of several causes near its maximum, for bounds of what follows from them.

    Attributes
    ----------
    template : CausesTemplate
        The model.
    x : array of shape (p,)
        Its parameters at the maximum.
    covariance : array of shape (p, p)
        Of their errors; sets the first steps.
    rows : Observations
        What it was fitted to.
    allowed : array of shape (n, K)
        The causes that each row may have ended of.
    """

    template: CausesTemplate
    x: np.ndarray
    covariance: np.ndarray
    rows: Observations
    allowed: np.ndarray

    def bounds(
        self, cause: int | None, curve: str, targets: Target, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper profile bounds (m,) on the link scale; infinite where there is none.

        Parameters
        ----------
        cause : int or None
            Whose lifetime, by number; None for that until any cause ends the unit.
        curve, targets, level
            As for `survjax.uncertainty.modes.profiled`.
        """
        template, merging = self.template, self.template.merging
        # Parameters that causes share move once: along the matrix from what moves to the vector.
        back = merging.T / merging.sum(axis=0)[:, None]
        free = back @ template.constraints.free
        given = jax.device_put(cause_data(self.rows, self.allowed, template.at(self.x)))
        still = Limits.of(0.0, 0)

        def at(points: np.ndarray) -> list[Parts]:
            ends = ends_from(template, given, points @ merging.T, still, STARTS)
            return [
                (end.value, merging.T @ end.gradient, merging.T @ end.hessian @ merging)
                for end in ends
            ]

        def quantity(point: np.ndarray, i: int) -> Parts:
            value, slope, curvature = self._expanded(merging @ point, cause, curve, targets, i)
            moved = (value, merging.T @ slope, merging.T @ curvature @ merging)
            return only_free(moved, free, 0.0)

        start = back @ self.x
        spread = back @ self.covariance @ back.T
        sizes = {np.shape(part)[0] for part in jax.tree.leaves(targets)}
        known = [quantity(start, i) for i in range(sizes.pop())]
        values = np.array([value for value, *_ in known])
        errors = np.sqrt(np.maximum([slope @ spread @ slope for _, slope, _ in known], 0.0))
        return profile_quantities(at, quantity, start, values, errors, normal_quantile(level))

    def _expanded(
        self, x: np.ndarray, cause: int | None, curve: str, targets: Target, i: int
    ) -> Parts:
        """A target with its derivatives (p,) and (p, p) in the vector of all causes."""
        own = slice(0, x.size) if cause is None else self.template.slices[cause]
        lifetime = self.template.at(x)
        one = jax.tree.map(lambda part: np.asarray(part)[i], targets)
        part = lifetime if cause is None else lifetime.causes[cause]
        value, slope, curvature = (np.asarray(p) for p in target_expansion(part, one, curve=curve))
        first, second = np.zeros(x.size), np.zeros((x.size, x.size))
        first[own], second[own, own] = slope, curvature
        return value, first, second
