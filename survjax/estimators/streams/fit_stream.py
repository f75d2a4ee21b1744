"""`fit_stream`: the fit of any lifetime to rows that are read in batches."""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from survjax._core.precision import double_precision
from survjax.data.observations import Observations
from survjax.data.safe_columns import safe_columns
from survjax.data.streams.batches import Lives, Roles
from survjax.data.streams.sources import source_of
from survjax.estimators.lifetime.estimator import LifetimeEstimator
from survjax.estimators.messages import NoFiniteMaximum
from survjax.estimators.streams.given import estimator_of
from survjax.fitting.streams import ties
from survjax.fitting.streams.checkpoint import Checkpoint, FirstPass, Remembered
from survjax.fitting.streams.cluster import Cluster, is_dask
from survjax.fitting.streams.grid import LogTimeGrid
from survjax.fitting.streams.interpolated import Interpolated
from survjax.fitting.streams.stream import Over, Progress, Reader
from survjax.lifetimes import Lifetime
from survjax.likelihood.all_rows import AllRows, Compressed, over_parts
from survjax.likelihood.devices import Devices, devices_of, mesh_of, over_devices


@double_precision
def fit_stream(
    source: Any,
    *,
    duration: str,
    event: str | None = None,
    entry: str | None = None,
    weight: str | None = None,
    model: str | Lifetime | LifetimeEstimator = "weibull",
    devices: Devices | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | Progress = False,
) -> Any:
    """Fit a lifetime to rows that are read in batches and need not fit into memory.

    Parameters
    ----------
    source : path, list of paths, table, reader, function or iterable
        Where the rows are: Parquet or CSV files (a path, a pattern such as "data/*.parquet", a
        folder, a list of these), a pyarrow dataset, whatever exports Arrow's stream (a table of
        pyarrow, polars or pandas, a relation of DuckDB), a LazyFrame, a list of record batches,
        a Dask DataFrame; or a function without arguments that gives one of these at each call. An
        iterator or a reader is read once, which serves where its different rows fit into memory.
    duration : str
        Column of times to failure, or times survived so far, in any one unit of time.
    event : str, optional
        Column of flags, True (1) where the failure was seen; all were by default.
    entry : str, optional
        Column of ages at which units came under observation.
    weight : str, optional
        Column that says how many units each row stands for.
    model : str, Lifetime or estimator, default "weibull"
        A family by name, a `Lifetime`, or an estimator such as `LifetimeModel("gamma")` or
        `WeibullMixture(2)`, which is not altered.
    devices : "all" or sequence of jax.Device, optional
        Over which the rows of each block are shared out; JAX's first by default.
    checkpoint : path, optional
        File that keeps what each pass has found until the fit is done, and from which a fit that
        was interrupted goes on with its next pass. It is removed at the end.
    progress : bool or callable, default False
        Say on stderr how far each pass has come; or a function that is told the number of the pass
        and the rows that it has read.

    Returns
    -------
    LifetimeModel or WeibullMixture
        The fitted estimator, as its `fit` leaves it.

    Raises
    ------
    ValueError
        For rows that are no lifetimes, with file, batch and row; for a file that cannot be read or
        lacks a column; for a source that cannot be read again where it must be.
    NoFiniteMaximum
        Where the likelihood rises without end.

    Notes
    -----
    The first pass checks every row. Equal rows are counted, and where different ones are few (up to
    some millions: ages in whole days, say) the fit is that of `fit` in memory, after this one pass.
    Else it leaves sums over short cells of log time, which give the likelihood of a smooth
    lifetime, or a mixture of some, to rounding, and the fit needs no other pass either. Where wider
    cells show at the maximum that this may not hold (shapes over some twenty, kinks, thresholds),
    and where failures are intervals, all rows are read again for each look at them: mostly once for
    one component, and twice for more. The optimum is that of `fit` on the same rows. Rows are
    summed in blocks of one size in a fixed order, so that neither batches nor threads change a
    digit; files are read in the order of their names.

    Of rows that were not held in memory the estimator keeps the few: pictures, `history_` and
    profile bounds are of these, the bootstrap draws from them; with late entry they are not kept.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as pa
    >>> from survjax import fit_stream
    >>> lives = 10.0 * np.random.default_rng(0).weibull(2.0, 500)
    >>> batches = [pa.record_batch({"age": part}) for part in np.split(lives, 5)]
    >>> found = fit_stream(batches, duration="age")
    >>> found.n_units_, found.converged_
    (500.0, True)
    """
    roles = Roles(duration, event, entry, weight)
    found = fits_of_stream(
        source, [model], roles, devices=devices, checkpoint=checkpoint, progress=progress
    )
    return found[0]


@double_precision
def fits_of_stream(
    source: Any,
    models: Sequence[str | Lifetime | LifetimeEstimator],
    roles: Roles,
    *,
    devices: Devices | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | Progress = False,
) -> list[Any]:
    """`fit_stream` of models that take rounded durations alike, off the same first pass."""
    many = [_copy(model) for model in models]
    for fitted in many:
        fitted._check_parameters()
    chosen = None if devices is None else devices_of(devices)
    rows_of = _RowsOf(many[0])
    reader, identity = _reader(source, roles, rows_of, _shown(progress), chosen)
    kept = None
    if checkpoint is not None:
        kept = Checkpoint(checkpoint, _about(identity, roles, many[0]))
    first, grid = None if kept is None else kept.first, None
    if first is None:
        summary = reader.first_pass(ties.MOST_ROWS)
        if summary.n_rows == 0:
            raise ValueError("the source has no rows: nothing is left to fit")
        if summary.different is not None:
            different = summary.different
            return [one._fit(_in_memory(one, different), devices=chosen) for one in many]
        rows_of.check_width()
        first = FirstPass((summary.n_rows, summary.n_units, summary.n_events), summary.few())
        grid = None if summary.intervals.kept else summary.grid
        if kept is not None:
            kept.keep(first)
    for fitted in many:
        if grid is None or not _fit_interpolated(fitted, first, grid):
            everything: AllRows = reader.all_rows(first.counted)
            if kept is not None:
                everything = Remembered(everything, kept)
            fitted._fit(Compressed.of(first.few, everything))
        if roles.entry is not None:
            # The few hold rows of negative weight, which are no units.
            del fitted._rows
    if kept is not None:
        kept.remove()
    return many


def _fit_interpolated(fitted: LifetimeEstimator, first: FirstPass, grid: LogTimeGrid) -> bool:
    """Fit by the sums that the first pass left; False where the rows must be read again."""
    everything = Interpolated(grid, first.counted)
    rows = Compressed.of(first.few, everything)
    try:
        fitted._fit(rows, warn=False)
    except NoFiniteMaximum:
        return False
    x = fitted.parameters_
    if not (fitted.converged_ and everything.is_exact(fitted._template, x, first.few)):
        return False
    fitted._warn(rows)
    return True


def _reader(
    source: Any,
    roles: Roles,
    rows_of: _RowsOf,
    tell: Progress,
    devices: tuple[Any, ...] | None,
) -> tuple[Reader | Cluster, tuple[str, ...]]:
    """How the rows are gone through, and what tells the source from another."""
    if is_dask(source):
        if devices is not None:
            raise ValueError("the workers of a Dask DataFrame sum its rows: leave devices= out")
        return Cluster(source, roles, rows_of, tell), ()
    read = source_of(source)
    read.check(roles)
    return Reader(read, roles, rows_of, tell, _over(devices)), read.identity


def _copy(model: Any) -> LifetimeEstimator:
    """An estimator like the given one, or of the lifetime that was named."""
    found = estimator_of(model)
    return type(found)(**found.get_params())


def _over(devices: tuple[Any, ...] | None) -> Over:
    """What sums over a block: threads of this process, or devices."""
    if devices is None:
        return over_parts
    return functools.partial(over_devices, mesh=mesh_of(devices))


def _about(identity: tuple[str, ...], roles: Roles, model: LifetimeEstimator) -> dict[str, Any]:
    """What the first pass depends on."""
    return {
        "source": identity,
        "columns": dataclasses.astuple(roles),
        "resolution": model.resolution,
        "rounding": model.rounding,
        "zeros": model._fails_at_zero,
    }


def _in_memory(model: LifetimeEstimator, different: ties.DifferentLives) -> Observations:
    """Different lives as rows of a fit in memory."""
    lives = different.total()
    return model._rows_of(lives.durations, lives.events, lives.entry, None, lives.weight)


class _RowsOf:
    """How an estimator reads lives, batch by batch."""

    def __init__(self, model: LifetimeEstimator) -> None:
        self.model = model
        #: A width that is to be found is that of all durations, when they are known.
        self.width_is_open = model.resolution == "auto"
        self.are_plain = model.resolution is None and not model._fails_at_zero

    def __call__(self, lives: Lives, checked: bool) -> Observations:
        """Rows; where they were `checked` before, plain ones are made without looking again."""
        durations, events, entry, weight = lives
        if checked and self.are_plain:
            weights = np.ones(lives.n_rows) if weight is None else weight
            return Observations(*safe_columns(durations, None, events, weights, entry, None))
        nothing = weight is not None and not weight.any()
        given = None if nothing else weight
        if self.width_is_open:
            rows = Observations.from_durations(
                durations, events, entry=entry, sample_weight=given, zeros=True
            )
        else:
            rows = self.model._rows_of(durations, events, entry, None, given)
        return rows.reweighted(0.0 * rows.weight) if nothing else rows

    def check_width(self) -> None:
        """Refuse to go on without a width where one is to be found from all durations."""
        if self.width_is_open:
            raise ValueError(
                f"resolution='auto' needs all durations in memory, and more than {ties.MOST_ROWS} "
                "are different: pass the width, or leave resolution= out where durations are not "
                "rounded"
            )


def _shown(progress: bool | Progress) -> Progress:
    """What is told how many rows of a pass were read: a function, stderr, or nobody."""
    if callable(progress):
        return progress
    last = [0]

    def say(number: int, n_rows: int) -> None:
        if number != last[0] and last[0]:
            print(file=sys.stderr)
        last[0] = number
        print(f"\rpass {number}: {n_rows:,} rows", end="", file=sys.stderr, flush=True)

    return say if progress else lambda number, n_rows: None
