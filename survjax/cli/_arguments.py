"""What may be said on the command line. Standard library only, so that help comes at once."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from survjax import __version__
from survjax.cli.comparison import arguments as comparison
from survjax.cli.tables.arguments import add_dates

FILES = "CSV text, Parquet or an Excel workbook, with named columns"
EXIT_CODES = """exit codes:
  0    done
  1    an error inside survjax
  2    input that cannot be used: one line on stderr says why, nothing is written
  3    results are written, but the fit is not an interior maximum: no bounds
  130  interrupted (Ctrl-C), nothing is written
"""

EXAMPLES = """examples:
  survjax fit pumps.csv --duration duration --event failed --entry entry --id unit
  survjax fit meters.parquet --duration duration --event failed --resolution 1 --components bic
  survjax fit rounds.csv --lower last_ok --upper found_failed --unit days
  survjax fit pumps.csv --duration duration --event failed --covariates maker,site
  survjax fit register.csv --start installed --end failed --as-of 2024-06-30 --per years
  survjax fit drives.csv --duration hours --cause mode --horizon 1000
  survjax fit 'fleet/*.parquet' --duration age --event failed --id unit
  survjax fit --database fleet.db --query "select age, failed from units" --duration age \\
    --event failed
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message and leave with code 2."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """Build the parser with its commands."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = Parser(
        prog="survjax",
        description="Fit lifetime distributions and predict remaining useful life.",
        epilog=EXIT_CODES,
        formatter_class=layout,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"survjax {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    demo = commands.add_parser(
        "demo",
        help="fit a shipped fleet that a single Weibull misses",
        description=(
            "Fit 528 pumps that come with survjax, some badly assembled, the rest wearing out;\n"
            "print the fit, the comparison with one Weibull and the remaining life of units\n"
            "still running; write the same files as `survjax fit`."
        ),
        epilog=EXIT_CODES,
        formatter_class=layout,
        allow_abbrev=False,
    )
    _add_output(demo, "survjax-demo")
    fit = commands.add_parser(
        "fit",
        help="fit the lifetimes in a CSV, Parquet or Excel file",
        description=(
            "Fit a mixture of Weibulls to the rows of FILE, one row a unit, and write the\n"
            "remaining life of each unit still running (rul.csv or rul.parquet), the fitted model\n"
            "(model.json, for survjax.load) and pictures."
        ),
        epilog=f"{EXAMPLES}\n{EXIT_CODES}",
        formatter_class=layout,
        allow_abbrev=False,
    )
    _add_input(fit)
    _add_columns(fit)
    _add_model(fit)
    _add_file(fit)
    _add_output(fit, "survjax-fit")
    several = commands.add_parser(
        "compare",
        help="fit several families to the lifetimes in a file, and say which is best",
        description=(
            "Fit every candidate to the rows of FILE, one row a unit, and write what each has\n"
            "reached (comparison.csv), the best model (model.json, for survjax.load) and\n"
            "pictures."
        ),
        epilog=f"{comparison.EXAMPLES}\n{EXIT_CODES}",
        formatter_class=layout,
        allow_abbrev=False,
    )
    several.add_argument("file", metavar="FILE", help=FILES)
    _add_units(several)
    comparison.add_model(several)
    _add_rounding(several.add_argument_group("recording"))
    _add_file(several)
    _add_output(several, "survjax-compare")
    several.set_defaults(cause=None, covariates=[], in_service=None, id=None)
    return parser


def _add_input(parser: argparse.ArgumentParser) -> None:
    """Say what to read: files, or a query."""
    parser.add_argument(
        "file", metavar="FILE", nargs="*",
        help=f"{FILES}; several of CSV or Parquet, or a pattern in quotes, are read in batches and "
        "need not fit into memory",
    )  # fmt: skip
    add = parser.add_argument_group("query (instead of FILE)").add_argument
    add("--query", metavar="SQL", help="rows of this query to DuckDB, read in batches")
    add("--database", metavar="FILE", help="of DuckDB; without it a query may read files")


def _add_units(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Say which column holds when units failed, and how they were observed."""
    group = parser.add_argument_group("columns (--duration, or two of ages or dates, are required)")
    add = group.add_argument
    add("--duration", metavar="COL", help="time to failure, or time survived so far")
    add(
        "--event", metavar="COL",
        help="1, true or yes: failed; 0, false or no: not (default: all failed)",
    )  # fmt: skip
    add(
        "--failed-value", metavar="WORD", action="append", default=[],
        help="what --event holds for a failure, if something else; may be repeated",
    )  # fmt: skip
    add("--lower", metavar="COL", help="with --upper: the unit failed after this age ...")
    add("--upper", metavar="COL", help="... and by this one; empty where it still runs")
    add("--entry", metavar="COL", help="age at which the unit came under observation")
    add("--weight", metavar="COL", help="how many units the row stands for")
    add_dates(parser)
    return group


def _add_columns(parser: argparse.ArgumentParser) -> None:
    """Say which column holds what."""
    add = _add_units(parser).add_argument
    add(
        "--cause", metavar="COL",
        help="what ended the unit, instead of --event: empty or 0 where it still runs, a|b where "
        "it is one of several",
    )  # fmt: skip
    add("--id", metavar="COL", help="name of the unit, copied to rul.csv")
    add(
        "--covariates", metavar="COLS", action="append", default=[],
        help="fit effects of these columns, a,b,c; may be repeated",
    )  # fmt: skip
    add(
        "--in-service", metavar="COL",
        help="1 or true: still runs, and gets a row in rul.csv (default: every unit not failed)",
    )  # fmt: skip


def _add_model(parser: argparse.ArgumentParser) -> None:
    """Say how to fit."""
    group = parser.add_argument_group("model")
    add = group.add_argument
    add(
        "--components", metavar="K", type=components, default="bic",
        help="number of Weibulls, or bic, aic, icl to let that choose (default: bic) among 1 to "
        "4; with --covariates, among 1 and 2, and 3 where 2 is better than 1",
    )  # fmt: skip
    _add_rounding(group)
    add("--level", type=share, default=0.95, help="of confidence bounds (default: 0.95)")
    add("--horizon", metavar="TIME", type=positive, help="adds P(fails within TIME) to rul.csv")
    add(
        "--sort", choices=("file", "risk"), default="file",
        help="order of rul.csv; its column rank has 1 for the unit at most risk, within the "
        "horizon if there is one (default: file)",
    )  # fmt: skip


def _add_rounding(group: argparse._ArgumentGroup) -> None:
    """Say how durations were recorded."""
    add = group.add_argument
    add(
        "--resolution", metavar="WIDTH", type=resolution,
        help="width to which durations were rounded, or auto (default: not rounded)",
    )  # fmt: skip
    add(
        "--rounding", choices=("up", "nearest", "down"), default="up",
        help="how they were rounded (default: up)",
    )  # fmt: skip


def _add_file(parser: argparse.ArgumentParser) -> None:
    """Say how to read the file."""
    add = parser.add_argument_group("CSV files").add_argument
    add(
        "--separator", metavar="CHAR", type=separator,
        help="between cells, or tab (default: found from the header)",
    )  # fmt: skip
    add("--decimal", choices=(".", ","), default=".", help="decimal mark (default: .)")
    add("--encoding", default="utf-8", help="of the text (default: utf-8)")


def _add_output(parser: argparse.ArgumentParser, folder: str) -> None:
    """Say what to write and what to show."""
    add = parser.add_argument_group("output").add_argument
    switch = argparse.BooleanOptionalAction
    add(
        "--out", metavar="DIR", default=folder, type=folder_name,
        help=f"folder to write to; files of the same names are replaced (default: {folder})",
    )  # fmt: skip
    if folder != "survjax-demo":
        add(
            "--unit",
            metavar="WORD",
            help="unit of time, for labels (default with dates: that of --per)",
        )
    add("--pictures", action=switch, default=True, help="draw pictures (default: yes)")
    add("--format", choices=("png", "svg"), default="png", help="of the pictures (default: png)")
    if folder != "survjax-compare":
        never = "; never with --covariates" if folder == "survjax-fit" else ""
        add(
            "--animation", action=switch, default=False,
            help=f"draw how the fit was found: history.png and newton.gif (default: no{never})",
        )  # fmt: skip
    add("--progress", action=switch, help="say what is going on (default: in a terminal)")
    add("--debug", action="store_true", help="show the traceback of an error inside survjax")


def components(text: str) -> int | str:
    """A number of components, or the criterion that chooses it."""
    if text in ("bic", "aic", "icl"):
        return text
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 20:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 1 to 20, bic, aic or icl, got {text!r}"
        )
    return int(text)


def positive(text: str) -> float:
    """A positive finite number."""
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text!r}")
    return value


def resolution(text: str) -> float | str:
    """A positive width, or "auto"."""
    return text if text == "auto" else positive(text)


def share(text: str) -> float:
    """A number between 0 and 1."""
    value = _number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must lie between 0 and 1, such as 0.95, got {text!r}")
    return value


def separator(text: str) -> str:
    """One character that may stand between cells."""
    text = "\t" if text in ("tab", "\\t") else text
    if len(text) != 1 or text in '"\r\n\0' or text.isalnum():
        raise argparse.ArgumentTypeError(
            f"must be one mark such as ; or the word tab, got {text!r}"
        )
    return text


def folder_name(text: str) -> str:
    """A name, not the nothing that an unset variable leaves."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must name a folder, got an empty name")
    return text


def _number(text: str) -> float:
    """A number, or NaN, which no rule accepts."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def terminal(stream: object = None) -> bool:
    """Whether a stream, stderr by default, is a terminal."""
    stream = stream or sys.stderr
    return bool(getattr(stream, "isatty", lambda: False)())
