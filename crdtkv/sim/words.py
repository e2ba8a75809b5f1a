"""Figures in words: times, sizes, counts, shares.

Rule: at most three figures of a number are said; who wants them all reads JSON.
"""

import math

__all__ = ["amount", "kilo", "share", "took"]


def took(seconds: float | None) -> str:
    """A time in words.

    >>> took(0.0004), took(0.0834), took(1.25), took(75), took(7200), took(None)
    ('0.4 ms', '83 ms', '1.25 s', '75 s', '2 h', 'never')
    """
    if seconds is None or seconds == math.inf:
        return "never"
    for limit, unit, said in ((0.9995, 1e-3, "ms"), (600, 1.0, "s"), (7200, 60.0, "min"), (172800, 3600.0, "h")):
        if abs(seconds) < limit:
            return f"{_three(seconds / unit)} {said}"
    return f"{_three(seconds / 3600)} h" if seconds < 172800 else f"{_three(seconds / 86400)} d"


def _three(value: float) -> str:
    """Two figures where it is below 100 and no whole number; never an exponent."""
    if abs(value) >= 10 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) < 1 else f"{value:.3g}"


def kilo(size: float) -> str:
    """Bytes in words.

    >>> kilo(80), kilo(2_340), kilo(1_200_000)
    ('80 B', '2.34 kB', '1.2 MB')
    """
    for limit, unit, said in ((1e3, 1.0, "B"), (1e6, 1e3, "kB"), (1e9, 1e6, "MB")):
        if size < limit:
            return f"{_three(size / unit)} {said}"
    return f"{_three(size / 1e9)} GB"


def amount(number: float) -> str:
    """A count in words.

    >>> amount(1234567)
    '1,234,567'
    """
    return f"{number:,.0f}"


def share(part: float) -> str:
    """A part of one in words.

    >>> share(0), share(0.0004), share(0.042), share(1)
    ('0 %', '0.04 %', '4.2 %', '100 %')
    """
    return f"{part * 100:.2g} %" if part < 0.0995 else f"{part * 100:.0f} %"
