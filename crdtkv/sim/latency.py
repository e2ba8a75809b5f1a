"""How long a message and its answer take between two colos."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from crdtkv.errors import BadRequest

__all__ = ["model", "preset"]

_CONSTANT = re.compile(r"constant:([0-9.]+)ms")
_PRESETS = {
    "world-12": ("LHR", "FRA", "IAD", "SJC", "GRU", "JNB", "DXB", "BOM", "SIN", "NRT", "SYD", "SCL"),
}


def preset(name: str) -> tuple[str, ...]:
    """The colos of a preset. Raises BadRequest."""
    if name not in _PRESETS:
        raise BadRequest(f"no preset {name!r}; there are {', '.join(_PRESETS)}")
    return _PRESETS[name]


def model(spec: str, colos: Sequence[str]) -> Callable[[str, str], float]:
    """The round trip in milliseconds between two colos, as `spec` says. Raises BadRequest."""
    found = _CONSTANT.fullmatch(spec)
    if found is None:
        raise BadRequest(f"no latency model {spec!r}; constant:50ms is one")
    ms = float(found[1])
    return lambda a, b: ms
