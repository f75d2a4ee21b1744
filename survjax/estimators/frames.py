"""Tables for users. pandas is loaded with the first one: a fit alone should not pay for it."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

#: Columns of a table of parameters that say what was tested, each NaN where nothing was.
TESTS = ("z", "p_value", "ratio")
#: Most columns that pandas prints, in a terminal (as many as have room) and elsewhere.
PANDAS_OWN = (0, 20)


def frame(
    columns: dict[Any, Any], like: object = None, names: Iterable[Hashable] | None = None
) -> pd.DataFrame:
    """Build a DataFrame, with the index of `like` if that is a Series or a frame, or with names."""
    import pandas as pd  # deferred, here and below

    index = getattr(like, "index", None)
    if names is not None:
        index = pd.Index(names)
    return _table_class()(columns, index=index if isinstance(index, pd.Index) else None)


@functools.cache
def _table_class() -> type[pd.DataFrame]:
    """The class of all tables: a DataFrame that prints whole, and whose parts are plain frames."""
    import pandas as pd

    class AnyFrame(type):
        """Where types are compared, as by pandas.testing, every frame passes for one of these."""

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, pd.DataFrame)

    class Table(pd.DataFrame, metaclass=AnyFrame):
        """A DataFrame whose print leaves out no column, but tests where nothing was tested.

        Of a wide frame, pandas prints the first and the last columns: the upper bounds go first.
        """

        @property
        def _constructor(self) -> type[pd.DataFrame]:
            return pd.DataFrame

        def __repr__(self) -> str:
            empty = [c for c in TESTS if c in self.columns and self[c].isna().all()]
            every = pd.DataFrame(self).drop(columns=empty)
            if pd.get_option("display.max_columns") not in PANDAS_OWN:
                return repr(every)  # as the user has chosen
            with pd.option_context("display.max_columns", None):
                return repr(every)

        def round(self, *args: Any, **kwargs: Any) -> Table:
            return Table(super().round(*args, **kwargs))

        def __reduce__(self) -> Any:
            # To other processes and files goes a plain frame.
            return pd.DataFrame(self).__reduce__()

    return Table


def curve_frame(
    tables: dict[str, np.ndarray], times: np.ndarray, like: object = None
) -> pd.DataFrame:
    """Curves (n, m) by name, a column for each pair (name, time), or for each time if it is one.

    A time that is asked for twice has two columns.
    """
    columns = [(name, time) for name in tables for time in times.tolist()]
    values = np.concatenate(list(tables.values()), axis=1)
    found = frame(dict(enumerate(values.T)), like)
    if len(tables) == 1:
        found.columns = times.tolist()
    else:
        import pandas as pd

        found.columns = pd.MultiIndex.from_tuples(columns)
    return found


class FrameOfColumns:
    """An attribute that is set to columns, and is a frame from the first look at it on."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, holder: None, owner: type) -> FrameOfColumns: ...

    @overload
    def __get__(self, holder: object, owner: type) -> pd.DataFrame: ...

    def __get__(self, holder: object | None, owner: type) -> FrameOfColumns | pd.DataFrame:
        if holder is None:
            return self
        if self._name not in vars(holder):
            raise AttributeError(f"{owner.__name__!r} object has no attribute {self._name!r}")
        found = vars(holder)[self._name]
        if type(found) is dict:
            found = vars(holder)[self._name] = frame(found)
        return found

    def __set__(self, holder: object, value: Mapping[str, Any] | pd.DataFrame) -> None:
        vars(holder)[self._name] = value

    def __delete__(self, holder: object) -> None:
        del vars(holder)[self._name]


def parameter_columns(
    estimate: np.ndarray,
    error: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    bounds: str | Sequence[str],
    tests: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Columns of the table of a model's parameters (m,): `summary` of every estimator has these.

    `tests` may hold `z`, `p_value` and `ratio`; each is NaN where nothing is tested.
    """
    return {
        "estimate": estimate,
        "standard_error": error,
        "lower": lower,
        "upper": upper,
        "bounds": bounds,
        **dict.fromkeys(TESTS, np.nan),
        **(tests or {}),
    }
