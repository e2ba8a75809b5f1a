"""What schemathesis does not know by itself: lines of JSON are text as it stands, and changes may not come."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")  # type: ignore[untyped-decorator]
def lines(ctx: Any, value: Any) -> bytes:
    """UTF-8."""
    return str(value).encode("utf-8", "surrogatepass")


@schemathesis.hook
def before_call(ctx: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Changes are asked for and not waited for: neither of a stream nor of a long poll is there an end to see."""
    if case.operation.definition.raw.get("operationId") != "changes":
        return
    asked = case.query = dict(case.query or {})
    if asked.get("feed") in ("sse", "ndjson"):
        asked["feed"] = "longpoll"
    with suppress(TypeError, ValueError):
        if 0 <= float(asked.get("timeout", 30)) <= 300:
            asked["timeout"] = 0
