"""Options that say which columns hold dates. Standard library only, so that help comes at once."""

from __future__ import annotations

import argparse

from survjax._core.time_units import DAYS
from survjax.cli._text import Refused


def add_dates(parser: argparse.ArgumentParser) -> None:
    """Say that columns hold dates."""
    add = parser.add_argument_group(
        "dates instead of ages (--entry then holds dates too)"
    ).add_argument
    add("--start", metavar="COL", help="when the unit went into service")
    add("--end", metavar="COL", help="when it failed; empty where it still runs")
    add(
        "--as-of", metavar="DATE",
        help="day on which the units without an end were known to run, such as 2024-01-31",
    )  # fmt: skip
    add(
        "--per", choices=tuple(DAYS), default="days",
        help="unit of time of ages from dates, or from a column of lengths of time such as 3 days "
        "04:05:06 or Parquet's (default: days; a year has 365.25)",
    )  # fmt: skip
    add(
        "--date-format", metavar="FORMAT",
        help="such as %%d.%%m.%%Y (default: ISO 8601, 2024-01-31 or 2024-01-31 13:45)",
    )  # fmt: skip


def check_dates(arguments: argparse.Namespace) -> bool:
    """Whether columns hold dates; refuse options that do not go together."""
    given = (arguments.start, arguments.end)
    if given == (None, None):
        if arguments.as_of is not None:
            raise Refused("--as-of goes with --start COL and --end COL, which hold dates")
        return False
    if None in given:
        missing = "--start" if arguments.start is None else "--end"
        raise Refused(f"dates need --start COL and --end COL: {missing} is not given")
    if arguments.duration or arguments.lower or arguments.upper:
        raise Refused("name either --start and --end, or columns of ages, not both")
    if arguments.resolution is not None:
        raise Refused("--resolution goes with --duration, in its unit of time")
    return True
