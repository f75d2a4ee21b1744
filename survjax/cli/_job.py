"""Fit, tell, draw, write: what both commands do once they have their units."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from survjax.cli._columns import Units
from survjax.cli._report import Remaining, certificate_lines, comparison, components
from survjax.cli._session import DONE, NOT_INTERIOR, Session, in_words_of_options
from survjax.cli._text import Refused
from survjax.cli._writing import write_csv
from survjax.data.recording import find_resolution
from survjax.estimators import WeibullMixture
from survjax.plotting import (
    animate_fit,
    plot_hazard,
    plot_history,
    plot_paper,
    plot_rul,
    plot_survival,
    save,
)


def finish(session: Session, units: Units, unit: str | None, truth: Any) -> int:
    """Fit, tell, write; move everything into place at the end."""
    arguments = session.arguments
    session.begin("fitting")
    model, single = _fit(session, units)
    for line in (
        *components(model, unit, arguments.level),
        *comparison(model, single),
        *certificate_lines(model),
    ):
        session.say(line)
    if arguments.pictures and arguments.animation:
        _prepare(model)
    session.begin("computing remaining lives")
    found = Remaining(
        model, units, arguments.level, arguments.horizon, for_picture=arguments.pictures
    )
    for line in ("", *found.lines(unit)):
        session.say(line)

    def draw(folder: Path) -> None:
        draw_fit(session, folder, model, single, found, unit=unit, truth=truth)

    return write(session, model, found, draw)


def write(session: Session, model: Any, found: Remaining, draw: Callable[[Path], None]) -> int:
    """Write tables, the model and pictures, and move all into place: the command's code."""

    def put(folder: Path) -> None:
        found.sort = getattr(session.arguments, "sort", found.sort)
        write_csv(folder / "rul.csv", found.columns())
        model.save(folder / "model.json")
        if session.arguments.pictures:
            draw(folder)

    session.write(put)
    return DONE if model.converged_ else NOT_INTERIOR


def _fit(session: Session, units: Units) -> tuple[WeibullMixture, WeibullMixture]:
    """The fit that was asked for, and the single Weibull."""
    arguments = session.arguments
    how = {"resolution": arguments.resolution, "rounding": arguments.rounding}
    models = WeibullMixture(arguments.components, **how), WeibullMixture(1, **how)
    limits: dict[str, Any] = {"entry": units.entry, "sample_weight": units.weight}
    try:
        note_width(session, units.lower)
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


def note_width(session: Session, durations: np.ndarray) -> None:
    """Say which width `--resolution auto` found."""
    if session.arguments.resolution == "auto":
        width = find_resolution(durations)
        session.note("note", f"--resolution auto: {width:g}, the smallest gap between durations")


def _prepare(model: WeibullMixture) -> None:
    """Start on the way of the fit, which the last pictures show, while other work goes on."""

    def work() -> None:
        with suppress(Exception):  # comes back where it is drawn
            _ = model.history_

    threading.Thread(target=work).start()


def draw_fit(
    session: Session,
    folder: Path,
    model: WeibullMixture,
    single: WeibullMixture | None,
    found: Remaining,
    *,
    unit: str | None,
    truth: Any,
) -> None:
    """Write survival.png, paper.png, hazard.png and rul.png; if asked how the fit was found too."""
    other = single if model.weights_.size > 1 else None
    level = session.arguments.level
    common = {"level": level, "compare": other, "unit": unit}
    rul: dict[str, Any] = {"ages": found.grid, "table": found.grid_lives, "running": found.ages}
    jobs = {
        "survival": lambda: plot_survival(model, **common),
        "paper": lambda: plot_paper(model, **common),
        "hazard": lambda: plot_hazard(model, **common),
        "rul": lambda: plot_rul(model, level=level, unit=unit, **rul),
    }
    moving = session.arguments.animation
    if not hasattr(model, "_rows"):
        # A long stream with late entry leaves no rows to draw these by.
        moving, jobs = False, {name: jobs[name] for name in ("survival", "hazard", "rul")}
    if moving:
        jobs["history"] = lambda: plot_history(model, from_guess=True)
    for name, job in jobs.items():
        session.begin(f"drawing {name}")
        save(job(), folder / f"{name}.{session.arguments.format}")
    if moving:
        session.begin("drawing newton.gif")
        animate_fit(model, folder / "newton.gif", truth=truth, unit=unit)
    session.pass_on_warnings()
