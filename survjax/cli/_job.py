"""Fit, tell, draw, write: what both commands do once they have their units."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import numpy as np

from survjax.cli._columns import Units
from survjax.cli._errors import Refused
from survjax.cli._pictures import draw
from survjax.cli._report import Remaining, comparison, components, verdict
from survjax.cli._session import DONE, NOT_INTERIOR, Session, in_words_of_options
from survjax.cli._writing import write_csv
from survjax.estimators import WeibullMixture


def finish(session: Session, units: Units, unit: str | None, truth: Any) -> int:
    """Fit, tell, write; move everything into place at the end."""
    arguments = session.arguments
    folder = session.results.folder
    assert folder is not None
    session.begin("fitting")
    model, single = _fit(session, units)
    for line in (*components(model, unit), *comparison(model, single), *verdict(model)):
        session.say(line)
    if arguments.pictures:
        _prepare(model)
    session.begin("computing remaining lives")
    found = Remaining(
        model, units, arguments.level, arguments.horizon, for_picture=arguments.pictures
    )
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
    names = ", ".join(path.name for path in written)
    session.say(f"\nwritten to {session.results.target}:\n  {names}")
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


def _prepare(model: WeibullMixture) -> None:
    """Start on the way of the fit, which the last pictures show, while other work goes on."""

    def work() -> None:
        with suppress(Exception):  # comes back where it is drawn
            _ = model.history_

    threading.Thread(target=work).start()
