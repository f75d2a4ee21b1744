"""Names for what annotations mean and Python's types do not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, Union

import jax
import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import pandas as pd
    from scipy import sparse

#: NumPy's arrays on the host, JAX's within a compiled program: what works on either.
Array: TypeAlias = np.ndarray | jax.Array
#: Arrays in a nested structure of tuples, dictionaries and registered dataclasses, as JAX takes it.
PyTree: TypeAlias = Any
#: What makes random numbers: a seed, a generator, or None for one that differs each time.
RandomState: TypeAlias = int | np.random.Generator | np.random.RandomState | None
#: Covariates (n, p): a frame whose columns have names, rows of numbers, or a sparse matrix.
Covariates: TypeAlias = Union["pd.DataFrame", "sparse.spmatrix", "sparse.sparray", ArrayLike]
