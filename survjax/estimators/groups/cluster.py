"""Groups fitted by the workers of a Dask cluster, a share of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from survjax._core.precision import double_precision
from survjax.data.tables import Frame
from survjax.estimators.groups.answers import Answers
from survjax.fitting.groups.rows import GroupedRows
from survjax.fitting.streams.cluster import is_dask

if TYPE_CHECKING:
    from survjax.estimators.lifetime.estimator import LifetimeEstimator

#: Shares of the groups for each worker, so that none waits long for the last.
SHARES = 2
#: Most rows of a share. Rows travel with the task, so that what a worker loses is done by another.
MOST_ROWS = 100_000

#: Finds the answers of some groups, and says how many are done.
Fitting = Callable[["LifetimeEstimator", GroupedRows, Callable[[int, int], None]], Answers]


def gathered(frame: Frame, columns: list[str], client: Any) -> tuple[Frame, Any]:
    """A table whose rows are here, and the client of the cluster that holds or shall have them."""
    if not is_dask(frame):
        return frame, client
    if client is None:
        from distributed import get_client  # deferred: an extra

        try:
            client = get_client()
        except ValueError:
            raise ValueError(
                "groups of a Dask DataFrame are fitted by a cluster, and there is none: make a "
                "client first, dask.distributed.Client(), or call compute()"
            ) from None
    there: Any = frame
    some = [name for name in dict.fromkeys(columns) if name in there.columns]
    return client.compute(there[some]).result(), client


def answers_of_workers(
    fitting: Fitting,
    model: LifetimeEstimator,
    groups: GroupedRows,
    progress: Callable[[int, int], None],
    client: Any,
) -> Answers:
    """The fits of all groups, as the workers find them."""
    n_workers = len(client.scheduler_info()["workers"])
    shares = list(_shares(groups, SHARES * max(n_workers, 1)))
    futures = [
        client.submit(_fitted, fitting, model, groups.part(a, b), pure=False) for a, b in shares
    ]
    parts, n = [], groups.n_units.size
    for (_, end), future in zip(shares, futures, strict=True):
        parts.append(future.result())
        progress(end, n)
    return Answers.joined(parts)


def _shares(groups: GroupedRows, wanted: int) -> Iterator[tuple[int, int]]:
    """Where shares of about as many rows each begin and end, among the groups."""
    n, rows = groups.n_units.size, int(groups.begins[-1])
    wanted = min(max(wanted, -(-rows // MOST_ROWS)), n)
    edges = np.searchsorted(groups.begins, np.linspace(0, rows, wanted + 1))
    edges[0], edges[-1] = 0, n
    edges = np.unique(edges)
    yield from zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)


@double_precision
def _fitted(fitting: Fitting, model: LifetimeEstimator, groups: GroupedRows) -> Answers:
    """What a worker does."""
    return fitting(model, groups, lambda done, wanted: None)
