"""A value as an error shows it: short, and never an error of its own."""

from __future__ import annotations

from reprlib import Repr

__all__ = ["MAX_SHOWN", "MAX_TEXT", "show"]

MAX_SHOWN = 100
MAX_TEXT = 80

_SHORT = Repr()
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = 20
_SHORT.maxlong = _SHORT.maxother = _SHORT.maxstring = MAX_SHOWN + 1


def show(value: object) -> str:
    """`repr` in at most MAX_SHOWN characters and "...": of any object, also of one whose repr fails. O(1) mostly.

    >>> show("cart-7"), show("x" * 200)[78:], show(10**5000)
    ("'cart-7'", "xxx'...", '<int>')
    """
    try:
        if isinstance(value, (str, bytes)):
            words = repr(value[:MAX_TEXT]) + ("..." if len(value) > MAX_TEXT else "")
        else:
            words = _SHORT.repr(value)
    except Exception:  # a foreign __repr__, or an integer too long to print
        return f"<{type(value).__name__}>"
    return words if len(words) <= MAX_SHOWN else words[:MAX_SHOWN] + "..."
