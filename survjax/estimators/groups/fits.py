"""The fits of many groups: a table, predictions for units of all of them, and each by itself."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from survjax._core.precision import double_precision
from survjax._core.validation import check_shares, check_times
from survjax.data.tables import Columns
from survjax.estimators.frames import frame as make_frame
from survjax.estimators.groups.answers import Answers
from survjax.estimators.groups.keys import key_columns, places
from survjax.estimators.groups.predictions import remaining_lives
from survjax.estimators.groups.table import table_of
from survjax.estimators.lifetime.predictions import check_level
from survjax.fitting.groups.pooling import Pooled
from survjax.fitting.groups.rows import GroupedRows

if TYPE_CHECKING:
    import pandas as pd


class GroupFits:
    """Fits of one model to many groups, as `survjax.fit_groups` returns them."""

    def __init__(
        self,
        keys: pd.Index,
        estimator: Any,
        groups: GroupedRows,
        answers: Answers,
        duration: str | None,
        unpooled: GroupFits | None = None,
        pooling: Pooled | None = None,
    ) -> None:
        self.keys = keys
        self.estimator = estimator
        self._groups, self._answers, self._duration = groups, answers, duration
        self._models: dict[int, Any] = {}
        #: The same groups each by itself, and what pooling found; None without it.
        self.unpooled, self.pooling = unpooled, pooling

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        n, good = len(self), int(self._answers.converged.sum())
        return f"<GroupFits of {n} groups by {', '.join(self._names)}: {self.estimator!r}; {good} interior maxima>"

    @property
    def _names(self) -> list[str]:
        return list(self.keys.names)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a group."""
        return self.summary()

    @double_precision
    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """The table, with bounds of another level."""
        return table_of(self.keys, self._groups, self._answers, check_level(level))

    @double_precision
    def model(self, key: Any) -> Any:
        """The fitted estimator of one group, as if it had been fitted alone."""
        if self.unpooled is not None:
            return self.unpooled.model(key)
        i = self._place(key)
        if i in self._answers.alone:
            return self._answers.alone[i]
        if i not in self._models:
            from survjax.estimators.groups.fit import copied

            self._models[i] = copied(self.estimator)._fit(self._groups.observed(i))
        return self._models[i]

    def _place(self, key: Any) -> int:
        try:
            return int(self.keys.get_loc(key))
        except (KeyError, TypeError):
            raise KeyError(f"no group {key!r}: keys lists those that there are") from None

    @double_precision
    def predict_rul(
        self,
        frame: Any,
        age: str | None = None,
        quantiles: Any = (0.1, 0.5, 0.9),
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Remaining useful life of units of all groups."""
        name = age if age is not None else self._duration
        if name is None:
            raise ValueError("age must name the column of the ages that units have reached")
        column = Columns(frame)
        where = places(self.keys, key_columns(column, self._names), self._names)
        ages = check_times(column(name), name, zero=True)
        q, names = check_shares(quantiles)
        found = remaining_lives(self._answers, where, ages, q, names, check_level(level))
        return make_frame(found, like=frame)
