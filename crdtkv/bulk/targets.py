"""Where items go: lines of JSON, a JSON array, CSV; written as they come."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from crdtkv.bulk.items import word_of

__all__ = ["COLUMNS", "WRITERS", "write_array", "write_ndjson", "write_table"]

COLUMNS = ("key", "value", "base64", "expiration", "metadata", "strategy", "content_type", "blobs")


def write_ndjson(items: Iterable[dict[str, Any]], out: TextIO) -> None:
    """An object a line."""
    out.writelines(_json(item) + "\n" for item in items)


def write_array(items: Iterable[dict[str, Any]], out: TextIO) -> None:
    """One array, an element a line."""
    out.write("[")
    before = "\n"
    for item in items:
        out.write(before + _json(item))
        before = ",\n"
    out.write("\n]\n" if before != "\n" else "]\n")


def write_table(items: Iterable[dict[str, Any]], out: TextIO) -> None:
    """CSV (RFC 4180). A value is text where that cannot be taken for JSON, else JSON."""
    rows = csv.writer(out, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    rows.writerows(_row(item) for item in items)


def _row(item: dict[str, Any]) -> Iterator[str]:
    for name in COLUMNS:
        found = item.get(name)
        if name == "value":
            yield str(found) if item.get("base64") else word_of(found)
        elif name == "metadata":
            yield "" if found is None else word_of(found)
        else:
            yield found if isinstance(found, str) else "" if found is None else _json(found)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


WRITERS: dict[str, Callable[[Iterable[dict[str, Any]], TextIO], None]] = {
    "ndjson": write_ndjson, "json": write_array, "csv": write_table,
}  # fmt: skip
"""Name -> writer."""
