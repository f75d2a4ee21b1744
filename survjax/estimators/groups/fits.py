"""The fits of many groups: a table, predictions for units of all of them, and each by itself."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import RandomState
from survjax._core.precision import double_precision
from survjax._core.validation import check_count, check_shares, check_times, how_many
from survjax.data.tables import Columns, Frame
from survjax.estimators.frames import frame as make_frame
from survjax.estimators.groups.answers import Answers, unfitted
from survjax.estimators.groups.keys import key_columns, places
from survjax.estimators.groups.predictions import remaining_lives
from survjax.estimators.groups.replicates import replicate_table, replicates_of
from survjax.estimators.groups.saved import (
    FIELDS,
    Counts,
    answers_of,
    keys_of,
    pooling_of,
    state_of,
)
from survjax.estimators.groups.table import table_of
from survjax.estimators.lifetime.predictions import check_level
from survjax.estimators.saving.persistence import Persistent
from survjax.fitting.groups.pooling import Pooled
from survjax.fitting.groups.rows import GroupedRows
from survjax.uncertainty.delta import rows_needed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from survjax.estimators.lifetime.estimator import LifetimeEstimator


class GroupFits(Persistent):
    """Fits of one model to many groups, as `survjax.fit_groups` returns them; `save` keeps them.

    Attributes
    ----------
    keys : pandas.Index
        The groups, sorted where their keys can be compared; a MultiIndex of several columns.
    estimator : LifetimeModel or WeibullMixture
        The model, without a fit.
    unpooled : GroupFits or None
        The same groups each by itself, where these are pooled.
    pooling : Pooled or None
        The distribution of the groups' parameters, and how far each was drawn to its mean.
    """

    keys: pd.Index
    unpooled: GroupFits | None
    pooling: Pooled | None
    _groups: GroupedRows | Counts
    _answers: Answers
    _duration: str | None

    _saved: ClassVar[Mapping[str, Any]] = FIELDS

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator
        self._models: dict[int, Any] = {}

    @classmethod
    def of(
        cls,
        keys: pd.Index,
        estimator: LifetimeEstimator,
        groups: GroupedRows,
        answers: Answers,
        duration: str | None,
        unpooled: GroupFits | None = None,
        pooling: Pooled | None = None,
    ) -> GroupFits:
        """Put together what was found."""
        found = cls(estimator)
        found.keys, found.unpooled, found.pooling = keys, unpooled, pooling
        found._groups, found._answers, found._duration = groups, answers, duration
        return found

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The model, without a fit, by its name."""
        return {"estimator": self.estimator}

    @property
    def key_names(self) -> list[str]:
        """Names of the columns of the keys."""
        return list(self.keys.names)

    def _state(self) -> Any:
        return state_of(self)

    def _rebuild(self) -> None:
        """Set what follows from what a file holds."""
        held = SimpleNamespace(**vars(self))
        if not hasattr(self.estimator, "_template_for_groups"):
            raise ValueError("estimator must be a LifetimeModel or a WeibullMixture")
        template = self.estimator._template_for_groups()
        for name in FIELDS:
            vars(self).pop(name, None)
        self.keys = keys_of(held)
        self._answers = answers_of(held, template)
        self._groups = Counts(held.n_units, held.n_events)
        self._duration = getattr(held, "duration_name", None)
        self.pooling = pooling_of(held, self._answers)
        self.unpooled = getattr(held, "unpooled", None)

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        own = self if self.unpooled is None else self.unpooled
        good = int(own._answers.converged.sum())
        units, failures = self._groups.n_units.sum(), self._groups.n_events.sum()
        pooled = "" if self.unpooled is None else ", pooled"
        return (
            f"<GroupFits by {', '.join(map(str, self.key_names))}: {len(self):,} groups of "
            f"{how_many(units, 'unit')}, {how_many(failures, 'failure')}; "
            f"{self.estimator!r}{pooled}; {good:,} with an interior maximum>"
        )

    @cached_property
    def table(self) -> pd.DataFrame:
        """`summary` with bounds of 95 %."""
        return self.summary()

    @double_precision
    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """One row a group: counts, parameters, life, and what kind of answer it is.

        Parameters
        ----------
        level : float, default 0.95
            Of the bounds.

        Returns
        -------
        DataFrame
            Indexed by `keys`: `n_units`, `n_events`; each parameter with `_error`, `_lower` and
            `_upper` (`scale, scale_error, scale_lower, ...`); `q10` and `q50`, the ages by which a
            tenth and half of the units have failed, with bounds; `log_likelihood`; `converged`,
            `status` and `message`. All bounds are by the delta method on unbounded scales, over all
            maxima that count. Of a group without an answer the numbers are NaN, and `message` says
            why. Where groups are pooled, `message` says whether a group has a maximum of its own,
            and `drawn` how far it was drawn to the mean of all: 0 not at all, 1 all the way.
        """
        found = table_of(self.keys, self._groups, self._answers, check_level(level))
        if self.pooling is not None:
            found.insert(found.columns.get_loc("converged"), "drawn", self.pooling.drawn)
            found = found.drop(columns="log_likelihood")
        return found

    @double_precision
    def bootstrap(
        self, n_replicates: int = 200, *, level: float = 0.95, random_state: RandomState = 0
    ) -> pd.DataFrame:
        """Bounds of the parameters of all groups by the bootstrap, in shared runs.

        Parameters
        ----------
        n_replicates : int, default 200
            Of each group: its units drawn with replacement, and fitted again.
        level : float, default 0.95
            Of the bounds.
        random_state : int, Generator or None, default 0
            Seeds the draws.

        Returns
        -------
        DataFrame
            Indexed by `keys`: each parameter with `_lower` and `_upper`, and `n_replicates`, those
            with an interior maximum. NaN where there are fewer than 20. Bounds are those of
            `model(key).bootstrap()`: percentiles that are corrected for bias and acceleration
            (Efron and Tibshirani 1993, chapter 14), and plain ones where the likelihood has several
            maxima that count. Each replicate is refitted from these, with as many components as its
            group has, and searched where they all lead nowhere.

        Raises
        ------
        ValueError
            For pooled groups, whose bounds are those of a posterior, and for fits from a file.
        """
        check_count(n_replicates, "n_replicates")
        if isinstance(self._groups, Counts):
            raise rows_needed("bootstrap")
        if self.unpooled is not None:
            raise ValueError(
                "bootstrap is of groups by themselves, and these are pooled: call "
                "unpooled.bootstrap()"
            )
        settings = self.estimator._settings()
        found = replicates_of(self._answers, self._groups, settings, n_replicates, random_state)
        return replicate_table(self.keys, found, check_level(level))

    @double_precision
    def model(self, key: Hashable) -> LifetimeEstimator:
        """The fitted estimator of one group, as if it had been fitted alone.

        Parameters
        ----------
        key : object
            One of `keys`; a tuple where there are several columns.

        Returns
        -------
        LifetimeModel or WeibullMixture
            Of the group's own units; no pooling.

        Raises
        ------
        NoFiniteMaximum
            Where the group's data admit none.
        """
        if self.unpooled is not None:
            return self.unpooled.model(key)
        i = self._place(key)
        if i not in self._models:
            found, groups = self._answers.alone.get(i), self._groups
            if found is None:
                if isinstance(groups, Counts):
                    raise rows_needed("the model of a group that was fitted with others")
                found = self._answers.as_searched(i, self.estimator, groups)
                if found is None:
                    found = unfitted(self.estimator)._fit(groups.observed(i))
            self._models[i] = found
        return self._models[i]

    def _place(self, key: Hashable) -> int:
        """Which group a key is."""
        try:
            place = self.keys.get_loc(key)
        except (KeyError, TypeError):
            place = None
        if not isinstance(place, (int, np.integer)):
            raise KeyError(f"no group {key!r}: `keys` lists the {len(self)} that there are")
        return int(place)

    @double_precision
    def predict_rul(
        self,
        frame: Frame,
        age: str | None = None,
        quantiles: ArrayLike = (0.1, 0.5, 0.9),
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Remaining useful life of units of all groups, with confidence bounds.

        Parameters
        ----------
        frame : table
            One row a unit that still runs, with the columns of the keys.
        age : str, optional
            The column of the ages that units have reached; that of the durations by default.
        quantiles, level
            As for `WeibullMixture.predict_rul`.

        Returns
        -------
        DataFrame
            One row a unit, with the caller's index: `mean, mean_lower, mean_upper, q10, ...`; NaN
            for units of groups that have no answer.

        Raises
        ------
        ValueError
            For groups that were not among those that were fitted.
        """
        name = age if age is not None else self._duration
        if name is None:
            raise ValueError("age must name the column of the ages that units have reached")
        column = Columns(frame)
        where = places(self.keys, key_columns(column, self.key_names), self.key_names)
        ages = check_times(column(name), name, zero=True)
        q, names = check_shares(quantiles)
        found = remaining_lives(self._answers, where, ages, q, names, check_level(level))
        return make_frame(found, like=frame)

    def plot(
        self,
        quantity: str = "q50",
        *,
        most: int = 40,
        unit: str | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw a number of each group with its bounds: see `survjax.plotting.plot_ranking`."""
        from survjax.plotting import plot_ranking

        return plot_ranking(self, quantity, most=most, unit=unit, ax=ax)
