"""Tables for users. pandas is loaded with the first one: a fit alone should not pay for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def frame(columns: dict[str, Any], like: Any = None, names: Any = None) -> pd.DataFrame:
    """Build a DataFrame, with the index of `like` if that is a Series or a frame, or with names."""
    import pandas as pd  # the one deferred import of pandas

    index = getattr(like, "index", None)
    if names is not None:
        index = pd.Index(names)
    return pd.DataFrame(columns, index=index if isinstance(index, pd.Index) else None)
