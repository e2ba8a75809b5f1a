"""Loaded by Python at its start: the wall clock is as far ahead as a file says, and follows it while this runs.

What libfaketime does, for one Python process; the monotonic clock goes on as it is, as it does
when a real clock is set.
"""

import os
import time

_path = os.environ.get("TESTS_CLOCK_AHEAD", "")
_now, _now_ns, _monotonic = time.time, time.time_ns, time.monotonic
_ahead, _looked = 0.0, -1.0


def _offset() -> float:
    global _ahead, _looked
    if _monotonic() - _looked > 0.1:
        _looked = _monotonic()
        try:
            with open(_path) as file:
                _ahead = float(file.read() or 0)
        except OSError:
            _ahead = 0.0
    return _ahead


if _path:
    time.time = lambda: _now() + _offset()
    time.time_ns = lambda: _now_ns() + int(_offset() * 1e9)
