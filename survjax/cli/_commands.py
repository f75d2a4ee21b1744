"""The two commands: fit a table, and fit the fleet that comes with survjax."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from survjax.cli._columns import Units, check_units, needed_columns
from survjax.cli._errors import Refused
from survjax.cli._pictures import draw
from survjax.cli._reading import read_table
from survjax.cli._report import Remaining, comparison, components, verdict
from survjax.cli._session import DONE, NOT_INTERIOR, Session, in_words_of_options
from survjax.cli._writing import write_csv
from survjax.datasets import load_pumps
from survjax.estimators import WeibullMixture

#: The truth behind the shipped pumps: weights, scales in years, shapes.
PUMPS = ((0.22, 0.78), (1.8, 17.0), (1.3, 4.2))


def fit(session: Session) -> int:
    """`survjax fit FILE`: read, fit, write."""
    arguments = session.arguments
    roles = needed_columns(arguments)
    session.begin(f"reading {arguments.file}")
    needed = list(dict.fromkeys(roles.values()))
    table = read_table(Path(arguments.file), needed, arguments.separator, arguments.encoding)
    units = check_units(table, roles, arguments)
    for note in (*table.notes, *units.notes):
        session.note("note", note)
    return _finish(session, units, arguments.unit, None)


def demo(session: Session) -> int:
    """`survjax demo`: the same for pumps, whose truth is known."""
    pumps = load_pumps()
    age, failed = pumps["age"].to_numpy(), pumps["failed"].to_numpy()
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
    return _finish(session, units, "years", PUMPS)


def _finish(session: Session, units: Units, unit: str | None, truth: Any) -> int:
    """Fit, tell, write; move everything into place at the end."""
    arguments = session.arguments
    folder = session.results.open()
    session.begin("fitting")
    model, single = _fit(session, units)
    for line in (*components(model, unit), *comparison(model, single), *verdict(model)):
        session.say(line)
    session.begin("computing remaining lives")
    found = Remaining(model, units, arguments.level, arguments.horizon)
    for line in ("", *found.lines(unit)):
        session.say(line)
    try:
        session.begin("writing")
        write_csv(folder / "rul.csv", found.columns())
        model.save(folder / "model.json")
        if arguments.pictures:
            draw(session, folder, model, single, found, unit=unit, truth=truth)
        written = session.results.commit()
    except OSError as error:
        raise Refused(f"cannot write to --out: {error.strerror or error}") from None
    session.say(f"\nin {session.results.target}: {', '.join(path.name for path in written)}")
    return DONE if model.converged_ else NOT_INTERIOR


def _fit(session: Session, units: Units) -> tuple[WeibullMixture, WeibullMixture]:
    """The fit that was asked for, and the single Weibull."""
    arguments = session.arguments
    how = {"resolution": arguments.resolution, "rounding": arguments.rounding}
    models = WeibullMixture(arguments.components, **how), WeibullMixture(1, **how)
    limits = {"entry": units.entry, "sample_weight": units.weight}
    try:
        for model in models:
            if units.exact:
                model.fit(units.lower, np.isfinite(units.upper), **limits)
            else:
                model.fit_interval(units.lower, units.upper, **limits)
            session.pass_on_warnings()
    except ValueError as error:
        session.pass_on_warnings()
        raise Refused(in_words_of_options(str(error))) from None
    return models
