"""Names for what annotations mean and Python's types do not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, Union

import jax
import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import pandas as pd
    from narwhals.stable.v1.typing import IntoDataFrame
    from scipy import sparse

#: NumPy's arrays on the host, JAX's within a compiled program: what works on either.
Array: TypeAlias = np.ndarray | jax.Array
#: Arrays in a nested structure of tuples, dictionaries and registered dataclasses, as JAX takes it.
PyTree: TypeAlias = Any
#: What makes random numbers: a seed, a generator, or None for one that differs each time.
RandomState: TypeAlias = int | np.random.Generator | np.random.RandomState | None
#: Covariates (n, p): a frame whose columns have names, rows of numbers, or a sparse matrix.
CovariateTable: TypeAlias = Union["pd.DataFrame", "sparse.spmatrix", "sparse.sparray", ArrayLike]


class ArrowStream(Protocol):
    """Rows that any library hands over as Arrow data, such as a query of DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule that holds the stream."""


#: A table in memory, of pandas, polars or pyarrow, or what becomes one.
Frame: TypeAlias = Union["pd.DataFrame", "IntoDataFrame", ArrowStream]
