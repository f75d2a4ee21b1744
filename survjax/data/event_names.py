"""Names under which tables hold whether a unit failed."""

from __future__ import annotations

import re

import numpy as np

_EVENT = re.compile(
    r"(^|[^a-z])(event|events|event_observed|failed|failure|fail|died|death|dead|status|censor|"
    r"censored|cens|censoring|broken|observed)($|[^a-z])"
)


def is_event_column(name: object, values: np.ndarray) -> bool:
    """Whether a column is called like an event and holds 0 and 1, both of them, only.

    Examples
    --------
    >>> is_event_column("Failed", np.array([1, 0])), is_event_column("red", np.array([1, 0]))
    (True, False)
    """
    if not _EVENT.search(str(name).lower()):
        return False
    try:
        numbers = np.asarray(values).astype(np.float64)
    except (TypeError, ValueError):
        return False
    ones = numbers == 1
    return bool(ones.any() and (~ones).any() and np.all(ones | (numbers == 0)))
