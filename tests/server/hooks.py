"""What schemathesis does not know by itself: lines of JSON are text as it stands."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")  # type: ignore[untyped-decorator]
def lines(ctx: Any, value: Any) -> bytes:
    """UTF-8."""
    return str(value).encode("utf-8", "surrogatepass")
