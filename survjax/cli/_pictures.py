"""The pictures that a command writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from survjax.cli._report import Remaining
from survjax.cli._session import Session
from survjax.plotting import (
    animate_fit,
    plot_hazard,
    plot_history,
    plot_paper,
    plot_rul,
    plot_survival,
    save,
)


def draw(
    session: Session,
    folder: Path,
    model: Any,
    single: Any,
    found: Remaining,
    *,
    unit: str | None,
    truth: Any,
) -> None:
    """Write survival.png, paper.png, hazard.png, rul.png, history.png and newton.gif."""
    other = single if model.weights_.size > 1 else None
    level = session.arguments.level
    common = {"level": level, "compare": other, "unit": unit}
    rul = {"ages": found.grid, "table": found.grid_lives, "running": found.ages}
    jobs = {
        "survival": lambda: plot_survival(model, **common),
        "paper": lambda: plot_paper(model, **common),
        "hazard": lambda: plot_hazard(model, **common),
        "rul": lambda: plot_rul(model, level=level, unit=unit, **rul),
        "history": lambda: plot_history(model, from_guess=True),
    }
    for name, job in jobs.items():
        session.begin(f"drawing {name}.png")
        save(job(), folder / f"{name}.png")
    if session.arguments.animation:
        session.begin("drawing newton.gif")
        animate_fit(model, folder / "newton.gif", truth=truth, unit=unit)
    session.pass_on_warnings()
