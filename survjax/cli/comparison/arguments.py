"""What `survjax compare` may be told. Standard library only, so that help comes at once."""

from __future__ import annotations

import argparse
import re

#: A mixture of so many Weibulls, as a candidate.
MIXTURE = re.compile(r"mixture([2-9])")

EXAMPLES = """examples:
  survjax compare pumps.csv --duration duration --event failed --entry entry
  survjax compare rounds.csv --lower last_ok --upper found_failed --criterion bic
  survjax compare pumps.csv --duration duration --candidates weibull,lognormal,mixture2
"""


def add_model(parser: argparse.ArgumentParser) -> None:
    """Say what is compared, and how."""
    add = parser.add_argument_group("candidates").add_argument
    add(
        "--candidates", metavar="NAMES", type=names, default=None,
        help="families by name, a,b,c, and mixture2, mixture3, ... of Weibulls (default: every "
        "family, and mixture2)",
    )  # fmt: skip
    add(
        "--criterion", choices=("aic", "aicc", "bic"), default="aic",
        help="what is made small (default: aic)",
    )  # fmt: skip


def names(text: str) -> list[str]:
    """Names with commas between, none of them twice."""
    found = [name.strip() for name in text.split(",")]
    if not all(re.fullmatch(r"[a-z0-9_]+", name) for name in found):
        raise argparse.ArgumentTypeError(f"must be names with commas between, got {text!r}")
    if len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"names a candidate twice: {text!r}")
    return found
