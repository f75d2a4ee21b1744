"""The one error that users of the command line see."""

from __future__ import annotations


class Refused(Exception):
    """Input that cannot be used; the message is one line that says what, where, and what to do."""


def printable(text: object, longest: int = 60) -> str:
    """Text from a file, safe for a terminal: no control characters, not too long."""
    plain = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in str(text)[: longest + 1])
    return plain if len(plain) <= longest else plain[: longest - 3] + "..."


def quoted(text: object) -> str:
    """The same in quotes."""
    return f"'{printable(text)}'"
