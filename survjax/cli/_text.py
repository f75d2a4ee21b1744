"""What users of the command line read: one kind of error, text that is safe, plain numbers."""

from __future__ import annotations

#: Beyond this size, digits in full are harder to read than a power of ten.
LARGEST = 1e15


class Refused(Exception):
    """Input that cannot be used; the message is one line that says what, where, and what to do."""


def printable(text: object, longest: int = 60) -> str:
    """Text from a file, safe for a terminal: no control characters, not too long."""
    plain = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in str(text)[: longest + 1])
    return plain if len(plain) <= longest else plain[: longest - 3] + "..."


def quoted(text: object) -> str:
    """The same in quotes."""
    return f"'{printable(text)}'"


def plain(value: float, digits: int = 4) -> str:
    """A number of so many significant digits, without an exponent unless it is very small or large.

    Examples
    --------
    >>> plain(123_290.4, 5), plain(0.012345), plain(1_000_000.0, 6)
    ('123,290', '0.01234', '1,000,000')
    """
    text = f"{value:.{digits}g}"
    if "e+" not in text or not abs(value) < LARGEST:
        return text
    return f"{float(text):,.0f}"
