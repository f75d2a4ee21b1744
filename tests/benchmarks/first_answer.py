"""Processor time of a first answer in a fresh process, beside lifelines'.

Run `python -m tests.benchmarks.first_answer` (a minute); `--write` puts the table into
docs/benchmarks.md. Both sides read the pumps with their late entry and end with a fit, a table
with bounds and a picture; ours also with remaining lives. The command line chooses the number of
components, and draws four pictures. Each process is run in turn; counted is
all that it does, from the start of the interpreter to its end, in user and system time.

The environment variable SURVJAX_CACHE_DIR names the folder of compiled programs: none (""), a
fresh one (first process), and the same one again (second process).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.measure import machine, table, write_section

PUMPS = """
from survjax.datasets import load_pumps
pumps = load_pumps()
age, failed, entry = pumps["duration"], pumps["failed"], pumps["entry"]
"""
OUR_FIT = """
from survjax import WeibullMixture
model = WeibullMixture(2).fit(age, failed, entry=entry)
"""
OUR_ANSWER = """
print(model.summary())
running = age[pumps["in_service"]]
print(model.predict_rul(running))
print(model.predict_interval(running))
model.plot("survival").figure.savefig(PICTURE)
"""
THEIR_FIT = """
import warnings
from lifelines import WeibullFitter
fitter = WeibullFitter()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it advises another family
    fitter.fit(age, failed, entry=entry)
"""
THEIR_ANSWER = """
fitter.print_summary()
fitter.plot_survival_function().figure.savefig(PICTURE)
"""
COMMAND = f"""
import os, sys
from survjax.cli import command
sys.argv = ["survjax", "fit", {str(Path(__file__).parents[2] / "datasets" / "pumps.csv")!r}]
sys.argv += "--duration duration --event failed --entry entry --out".split()
sys.argv += [PICTURE + str(os.getpid())]
sys.exit(command())
"""


class Process(NamedTuple):
    """What a process runs, with which folder of programs, and what its time is divided by."""

    code: str
    folder: str
    control: str


ANSWER = "lifelines: fit, table, picture"
FIT = "lifelines: fit alone"
RUNS = {
    ANSWER: Process(PUMPS + THEIR_FIT + THEIR_ANSWER, "", ANSWER),
    "survjax: fit, table, lives, picture; no folder": Process(
        PUMPS + OUR_FIT + OUR_ANSWER, "", ANSWER
    ),
    "the same, first process": Process(PUMPS + OUR_FIT + OUR_ANSWER, "answer", ANSWER),
    "the same, second process": Process(PUMPS + OUR_FIT + OUR_ANSWER, "answer", ANSWER),
    FIT: Process(PUMPS + THEIR_FIT, "", FIT),
    "survjax: fit alone; no folder": Process(PUMPS + OUR_FIT, "", FIT),
    "the same fit, first process": Process(PUMPS + OUR_FIT, "fit", FIT),
    "the same fit, second process": Process(PUMPS + OUR_FIT, "fit", FIT),
    "survjax fit pumps.csv, first run": Process(COMMAND, "command", ANSWER),
    "survjax fit pumps.csv, second run": Process(COMMAND, "command", ANSWER),
}


def processor_seconds(process: Process, folder: Path) -> float:
    """User and system time of one process; its programs lie in a folder below the given one."""
    cache = str(folder / process.folder) if process.folder else ""
    environment = os.environ | {"SURVJAX_CACHE_DIR": cache, "MPLBACKEND": "Agg"}
    # An installed package has its byte code; that of a source tree is written by the first run.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    code = f"PICTURE = {str(folder / 'picture.png')!r}\n{process.code}"
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    after = os.times()
    if done.returncode:
        raise RuntimeError(done.stderr)
    return (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )


def first_answers(repeats: int) -> str:
    """Run all processes in turn, each round with fresh folders; the table of medians."""
    spent: dict[str, list[float]] = {name: [] for name in RUNS}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            for name, process in RUNS.items():
                spent[name].append(processor_seconds(process, Path(folder)))
    median = {name: statistics.median(taken) for name, taken in spent.items()}
    rows = [
        [
            name,
            f"{median[name]:.2f}",
            f"{min(spent[name]):.2f} to {max(spent[name]):.2f}",
            f"{median[name] / median[process.control]:.2f}",
        ]
        for name, process in RUNS.items()
    ]
    return table(
        ["first answer of a fresh process", "processor s", "range", "over lifelines"], rows
    )


def main() -> None:
    """Run and print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each process")
    chosen = parser.parse_args()
    text = (
        f"## First answers\n\n`python -m tests.benchmarks.first_answer`; {machine()}. 528 pumps "
        f"with late entry, medians of {chosen.repeats} runs of each process in turn.\n\n"
        + first_answers(chosen.repeats)
    )
    print(text)
    if chosen.write:
        write_section("benchmarks.md", "first answer", text)


if __name__ == "__main__":
    main()
