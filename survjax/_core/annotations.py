"""Names for what annotations mean and Python's types do not say."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

#: Arrays in a nested structure of tuples, dictionaries and registered dataclasses, as JAX takes it.
PyTree: TypeAlias = Any
#: What makes random numbers: a seed, a generator, or None for one that differs each time.
RandomState: TypeAlias = int | np.random.Generator | np.random.RandomState | None
