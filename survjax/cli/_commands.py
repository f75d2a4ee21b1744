"""The commands: fit a table, compare families on it, and fit the fleet that comes with survjax.

A file is read and checked before JAX, pandas and matplotlib are loaded: errors come at once.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from survjax.cli._columns import Checker, Units, check_units, needed_columns
from survjax.cli._flags import all_failed
from survjax.cli._reading import read_table
from survjax.cli._session import Session
from survjax.cli._text import Refused
from survjax.cli.covariates.columns import named_covariates, read_covariates
from survjax.cli.streams.source import is_stream, stream_input
from survjax.cli.tables.durations import far_away

#: The truth behind the shipped pumps: weights, scales in years, shapes.
PUMPS = ((0.22, 0.78), (1.8, 17.0), (1.3, 4.2))


def fit(session: Session) -> int:
    """`survjax fit FILE`: read, fit, write."""
    arguments = session.arguments
    if is_stream(arguments):
        return _fit_stream(session)
    if not arguments.file:
        raise Refused("name a FILE, or a --query")
    arguments.file = arguments.file[0]
    roles = needed_columns(arguments)
    names = named_covariates(arguments.covariates, roles)
    session.begin(f"reading {arguments.file}")
    needed = list(dict.fromkeys([*roles.values(), *names]))
    forgotten = "duration" in roles and not {"event", "cause"} & set(roles)
    how = arguments.separator, arguments.encoding, forgotten
    table = read_table(Path(arguments.file), needed, *how)
    units = check_units(table, roles, arguments)
    covariates = None
    if names:
        covariates = read_covariates(Checker(table, dict(roles), arguments), names)
    for note in (*table.notes, *units.notes, *(covariates.notes if covariates else ())):
        session.note("note", note)
    for note in far_away(units.lower, table.places):
        session.note("note", note)
    if forgotten:
        session.note("note", all_failed(table.n_rows, table.flags))
    session.results.open()
    session.begin("loading JAX")
    if covariates is not None and units.causes is not None:
        from survjax.cli.causes import with_covariates

        of = units, units.causes, covariates
        return with_covariates.finish(session, *of, units.unit)
    if covariates is not None:
        from survjax.cli.covariates import job as covariates_job

        return covariates_job.finish(session, units, covariates, units.unit)
    if units.causes is not None:
        from survjax.cli.causes import job

        return job.finish(session, units, units.causes, units.unit)
    from survjax.cli._job import finish

    return finish(session, units, units.unit, None)


def _fit_stream(session: Session) -> int:
    """`survjax fit` of what is read in batches."""
    arguments = session.arguments
    session.begin("looking at the input")
    given = stream_input(arguments)
    session.results.sources = [Path(name) for name in given.files]
    session.results.open()
    session.begin("loading JAX")
    from survjax.cli.streams import job

    return job.finish(session, given, arguments.unit)


def compare(session: Session) -> int:
    """`survjax compare FILE`: read, fit each candidate, write."""
    arguments = session.arguments
    roles = needed_columns(arguments)
    session.begin(f"reading {arguments.file}")
    forgotten = "duration" in roles and "event" not in roles
    how = arguments.separator, arguments.encoding, forgotten
    table = read_table(Path(arguments.file), list(dict.fromkeys(roles.values())), *how)
    units = check_units(table, roles, arguments)
    for note in (*table.notes, *units.notes, *far_away(units.lower, table.places)):
        session.note("note", note)
    if forgotten:
        session.note("note", all_failed(table.n_rows, table.flags))
    session.results.open()
    session.begin("loading JAX")
    from survjax.cli.comparison.job import finish

    return finish(session, units, units.unit)


def demo(session: Session) -> int:
    """`survjax demo`: the same for pumps, whose truth is known."""
    session.results.open()
    from survjax.datasets import load_pumps

    pumps = load_pumps()
    age, failed = pumps["duration"].to_numpy(), pumps["failed"].to_numpy()
    units = Units(
        lower=age,
        upper=np.where(failed, age, np.inf),
        entry=pumps["entry"].to_numpy(),
        weight=None,
        running=pumps["in_service"].to_numpy(),
        names=pumps["unit"].tolist(),
        title="unit",
    )
    vars(session.arguments).update(
        components=2, resolution=None, rounding="up", level=0.95, horizon=1.0
    )
    session.say(
        "528 pumps (simulated): some were badly assembled and fail young, the rest wear out.\n"
        "238 failed, 264 still run, 26 were retired running; two sites joined the register late.\n"
    )
    from survjax.cli._job import finish

    return finish(session, units, "years", PUMPS)
