"""PURE: numbers as a table shows them."""

from __future__ import annotations

__all__ = ["number", "times"]

_STEPS = {
    "us": ((1e6, "s"), (1e3, "ms"), (1, "µs")),
    "ms": ((1e3, "s"), (1, "ms"), (1e-3, "µs")),
    "s": ((1, "s"), (1e-3, "ms")),
    "B": ((1e6, "MB"), (1e4, "kB", 1e3), (1, "B")),
    "MB": ((1e3, "GB"), (1, "MB")),
}


def number(value: float, unit: str) -> str:
    """Three digits and the unit that suits: `1.9 µs`, `213 kB`, `85,000/s`.

    >>> number(1.913, "us"), number(1234567, "B"), number(85_123, "/s"), number(40, "of 40"), number(0, "B")
    ('1.91 µs', '1.23 MB', '85,100/s', '40 of 40', '0 B')
    """
    if unit == "/s":
        return f"{_round(value):,.0f}/s"
    for step in _STEPS.get(unit, ()):
        if value >= step[0]:
            return f"{_digits(value / (step[2] if len(step) > 2 else step[0]))} {step[1]}"  # type: ignore[operator]
    steps = _STEPS.get(unit)
    if steps:
        return f"{_digits(value / steps[-1][0])} {steps[-1][1]}"  # type: ignore[operator]
    return f"{_digits(value)} {unit}".rstrip()


def times(value: float) -> str:
    """A ratio in two or three digits.

    >>> times(0.0521), times(1.0), times(23.4), times(1234.0)
    ('0.052', '1.0', '23', '1,234')
    """
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _round(value: float) -> float:
    return float(f"{value:.3g}")


def _digits(value: float) -> str:
    if value == int(value) and value < 1000:
        return f"{value:.0f}"
    rounded = _round(value)
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:.3g}"
