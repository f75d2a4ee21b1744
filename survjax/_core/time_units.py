"""Units of time of fixed length. Standard library only: the command line's help needs no more."""

from __future__ import annotations

#: Days in each; a month and a year are mean ones.
DAYS = {
    "seconds": 1 / 86_400,
    "minutes": 1 / 1_440,
    "hours": 1 / 24,
    "days": 1.0,
    "weeks": 7.0,
    "months": 365.25 / 12,
    "years": 365.25,
}
