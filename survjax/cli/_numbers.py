"""Numbers for people: thousands with commas instead of powers of ten."""

from __future__ import annotations

#: Beyond this size, digits in full are harder to read than a power of ten.
LARGEST = 1e15


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
