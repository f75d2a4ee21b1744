"""What a file holds of a proportional-hazards model: effects, and the steps of its baselines."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from survjax.estimators._persistence import Persistent, derived_agrees
from survjax.estimators._saved_fields import Flag, Floats, Number, Record, Strings, Table
from survjax.estimators._saved_kinds import Labels, Several
from survjax.estimators._saved_regression import COLUMNS, restore_columns
from survjax.inference.partial_likelihood import HazardTable
from survjax.inference.partial_likelihood._baseline import failure_counts


@dataclasses.dataclass(frozen=True)
class Steps:
    """The baseline of one stratum: `HazardTable` without what all strata share."""

    times: np.ndarray
    hazard: np.ndarray
    spread: np.ndarray
    mean: np.ndarray
    at_risk: np.ndarray
    failed: np.ndarray


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
                    "hazard": Floats(("places",)),
                    "spread": Floats(("places",)),
                    "mean": Floats(("columns", "places")),
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
        held: dict[str, Any] = {name: vars(self).get(name) for name in self._saved}
        held |= {
            "_center": self._cox.sets.center,
            "_scale": self._cox.sets.scale,
            "_theta": tables[0].theta,
            "_root": tables[0].root,
            "_strata": self._cox.strata,
            "_steps": [
                Steps(t.times, t.hazard, t.spread, t.mean, *self._counts(i))
                for i, t in enumerate(tables)
            ],
        }
        return SimpleNamespace(**held)

    def _rebuild(self) -> None:
        self._check_parameters()
        columns = restore_columns(self)
        inside = vars(self)
        parts = [inside.pop(name) for name in ("_theta", "_root", "_strata", "_steps")]
        theta, root, strata, steps = parts
        if len(strata) != len(steps):
            raise ValueError(f"{len(strata)} strata do not have {len(steps)} baselines")
        for one in steps:
            n = one.times.size
            rising = n == 0 or (one.times[0] >= 0 and np.all(np.diff(one.times) > 0))
            if one.hazard.size != n + 1 or not rising or np.any(np.diff(one.hazard) < 0):
                raise ValueError("_steps must have increasing times and hazards, from zero on")
            if one.hazard[0] != 0 or one.spread[0] != 0 or np.any(np.diff(one.spread) < 0):
                raise ValueError("_steps must begin at zero")
        working = theta / columns.scale
        finite = np.isfinite(self.coef_)
        derived_agrees("coef_", self.coef_[finite], working[finite])
        counts = tuple((one.at_risk, one.failed) for one in steps)
        self._cox = StoredCox(working, columns.center, columns.scale, strata, counts)
        self._tables = {
            i: HazardTable(one.times, one.hazard, one.spread, one.mean, theta, root)
            for i, one in enumerate(steps)
        }
        self.parameters_ = self.coef_
        self.history_: Any = inside["history_"].rename_axis(index="iteration")
