"""What a file holds of a proportional-hazards model: effects, and the steps of its baselines."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from survjax.cox import HazardTable
from survjax.cox.baseline import failure_counts
from survjax.estimators.regression.saved import COLUMNS, restore_columns
from survjax.estimators.saving.fields import Flag, Floats, Number, Record, Strings, Table
from survjax.estimators.saving.kinds import Labels, Several
from survjax.estimators.saving.persistence import Persistent, derived_agrees


@dataclasses.dataclass(frozen=True)
class Steps:
    """The baseline of one stratum: `HazardTable` without what all strata share.

    The first versions kept sums of steps (`hazard`, `spread`, `mean`) instead of steps.
    """

    times: np.ndarray
    at_risk: np.ndarray
    failed: np.ndarray
    log_steps: np.ndarray | None = None
    log_spreads: np.ndarray | None = None
    means: np.ndarray | None = None
    origin: np.ndarray | None = None
    hazard: np.ndarray | None = None
    spread: np.ndarray | None = None
    mean: np.ndarray | None = None

    def table(self, theta: np.ndarray, root: np.ndarray) -> HazardTable:
        """Lay out the hazards, checked; ValueError where they cannot be those of a fit."""
        times = self.times
        if times.size and not (times[0] >= 0 and np.all(np.diff(times) > 0)):
            raise ValueError("_steps must have increasing times, from zero on")
        new = (self.log_steps, self.log_spreads, self.means, self.origin)
        old = (self.hazard, self.spread, self.mean)
        if all(part is not None for part in new) and all(part is None for part in old):
            log_steps, log_spreads, means, origin = (np.asarray(part) for part in new)
            if not (np.all(log_steps < np.inf) and np.all(log_spreads < np.inf)):
                raise ValueError("_steps must have steps that are numbers")
            return HazardTable(times, log_steps, log_spreads, means, theta, root, origin)
        if any(part is None for part in old) or any(part is not None for part in new):
            raise ValueError("_steps must hold log_steps, log_spreads, means and origin")
        hazard, spread, mean = (np.asarray(part) for part in old)
        if hazard.size != times.size + 1 or np.any(np.diff(hazard) < 0):
            raise ValueError("_steps must have increasing times and hazards, from zero on")
        if hazard[0] != 0 or spread[0] != 0 or np.any(np.diff(spread) < 0):
            raise ValueError("_steps must begin at zero")
        return HazardTable.from_cumulative(times, hazard, spread, mean, theta, root)


@dataclasses.dataclass(frozen=True)
class StoredCox:
    """What predictions need of a `CoxFit`; the rows are not in it."""

    working: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    strata: tuple[Any, ...]
    counts: tuple[tuple[np.ndarray, np.ndarray], ...]

    @property
    def sets(self) -> StoredCox:
        """Where center and scale are found."""
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ValueError(
            "this needs the rows that were fitted, which a saved model does not hold: fit again"
        )


class SavedCox(Persistent):
    """`save` of an estimator that holds `_cox` and lays out its hazards by stratum."""

    _cox: Any
    coef_: np.ndarray
    parameter_names_: tuple[str, ...]
    n_features_in_: int
    _table: Callable[[int], HazardTable]
    _check_parameters: Callable[[], None]

    #: Files of the first versions do not say what weights were: they were importances.
    _added_parameters: ClassVar[Mapping[str, Any]] = {"weights": "sampling"}
    _saved: ClassVar[Mapping[str, Any]] = {
        "coef_": Floats(("columns",), finite=False),
        "covariance_": Floats(("columns", "columns"), finite=False),
        "parameter_names_": Strings("columns"),
        **COLUMNS,
        "feature_means_": Floats(("columns",)),
        "_theta": Floats(("columns",)),
        "_root": Floats(("columns", "known")),
        "_strata": Labels(),
        "_steps": Several(
            Record(
                Steps,
                {
                    "times": Floats(("steps",)),
                    "log_steps": Floats(("steps",), finite=False, optional=True),
                    "log_spreads": Floats(("steps",), finite=False, optional=True),
                    "means": Floats(("columns", "steps"), optional=True),
                    "origin": Floats(("columns",), optional=True),
                    "hazard": Floats(("places",), optional=True),
                    "spread": Floats(("places",), optional=True),
                    "mean": Floats(("columns", "places"), optional=True),
                    "at_risk": Floats(("steps",)),
                    "failed": Floats(("steps",)),
                },
            )
        ),
        "log_likelihood_": Number(),
        "null_log_likelihood_": Number(),
        "aic_": Number(),
        "n_units_": Number(least=0.0),
        "n_events_": Number(least=0.0),
        "n_iter_": Number(whole=True),
        "converged_": Flag(),
        "history_": Table(),
        "penalty_": Number(least=0.0),
        "penalty_path_": Table(optional=True),
    }

    def _counts(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """At risk, and failed, at each failure time of a stratum."""
        if isinstance(self._cox, StoredCox):
            return self._cox.counts[number]
        return failure_counts(self._cox, number)

    def _state(self) -> Any:
        tables = [self._table(number) for number in range(len(self._cox.strata))]
        state: dict[str, Any] = {name: vars(self).get(name) for name in self._saved}
        state |= {
            "_center": self._cox.sets.center,
            "_scale": self._cox.sets.scale,
            "_theta": tables[0].theta,
            "_root": tables[0].root,
            "_strata": self._cox.strata,
            "_steps": [
                Steps(t.times, *self._counts(i), t.log_steps, t.log_spreads, t.means, t.origin)
                for i, t in enumerate(tables)
            ],
        }
        return SimpleNamespace(**state)

    def _rebuild(self) -> None:
        self._check_parameters()
        columns = restore_columns(self)
        inside = vars(self)
        parts = [inside.pop(name) for name in ("_theta", "_root", "_strata", "_steps")]
        theta, root, strata, steps = parts
        if len(strata) != len(steps):
            raise ValueError(f"{len(strata)} strata do not have {len(steps)} baselines")
        working = theta / columns.scale
        finite = np.isfinite(self.coef_)
        derived_agrees("coef_", self.coef_[finite], working[finite])
        counts = tuple((one.at_risk, one.failed) for one in steps)
        self._cox = StoredCox(working, columns.center, columns.scale, strata, counts)
        self._tables = {i: one.table(theta, root) for i, one in enumerate(steps)}
        self.parameters_ = self.coef_
        self.history_: Any = inside["history_"].rename_axis(index="iteration")
