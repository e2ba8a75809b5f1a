"""The body of a PUT of a value: as it is, or a form with `value` and `metadata`, as each client writes it.

A form's metadata is JSON text in one part, or, as a client that takes an object apart sends it, parts called
`metadata[owner]`, `metadata[tags][]`: they are put together again. Their values are text: that client says no more.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from crdtkv.errors import BadRequest, TooLarge

__all__ = ["Sent", "sent_in"]

_FORM = b"multipart/form-data"
_URLENCODED = "application/x-www-form-urlencoded"
_PLAIN = {b"": "", b"application/octet-stream": "application/octet-stream", b"application/json": "application/json"}
"""What most say of a body that is the value."""
_PARTS, _HEADERS = 1_000, 8_192
_MEMBER = re.compile(r"\[([^\[\]]*)\]")
_NAME = re.compile(r"metadata((?:\[[^\[\]]*\]){1,20})")


class Sent(NamedTuple):
    """A value as it was sent. `metadata`: JSON text, or what was put together of its parts; None: there was none."""

    body: bytes
    kind: str
    metadata: Any


def sent_in(body: bytes, content_type: bytes) -> Sent:
    """What `body` is, by its content type. O(body). Raises BadRequest, TooLarge."""
    if content_type in _PLAIN:
        return Sent(body, _PLAIN[content_type], None)
    if not content_type.lstrip().lower().startswith(_FORM):
        kind = content_type.decode("latin-1").strip()
        return Sent(body, "" if kind.lower().startswith(_URLENCODED) else kind, None)
    parts = _parts(body, content_type)
    value = next((part for part in parts if part.name == "value"), None)
    if value is None:
        raise BadRequest("Missing value field")
    whole = next((part.body for part in parts if part.name == "metadata"), None)
    if whole is None:
        return Sent(value.body, value.kind, _together([part for part in parts if _NAME.fullmatch(part.name)]))
    try:
        return Sent(value.body, value.kind, whole.decode())
    except UnicodeDecodeError:
        raise BadRequest(f"metadata {whole!r:.80} is not UTF-8") from None


class _Part(NamedTuple):
    name: str
    body: bytes
    kind: str


def _parts(body: bytes, content_type: bytes) -> list[_Part]:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise BadRequest(f"content-type {content_type!r:.120} names no boundary")
    reading = _Reading()
    try:
        parser = MultipartParser(boundary, reading.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise BadRequest(f"the form cannot be read: {error!s:.200}") from None
    if not reading.ended:
        raise BadRequest("the form is cut short")
    return reading.found


class _Reading:
    """Parts as a parser comes upon them."""

    def __init__(self) -> None:
        self.found: list[_Part] = []
        self.ended = False
        self._data: list[bytes] = []
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""

    def callbacks(self) -> dict[str, Any]:
        return {
            "on_part_begin": self._begin, "on_part_data": self._more, "on_part_end": self._end_part,
            "on_header_field": self._field, "on_header_value": self._said, "on_header_end": self._end_header,
            "on_end": self._end,
        }  # fmt: skip

    def _begin(self) -> None:
        self._data, self._headers = [], {}
        if len(self.found) >= _PARTS:
            raise TooLarge(f"the form has more than {_PARTS:,} parts")

    def _more(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _said(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        if len(self._value) > _HEADERS:
            raise TooLarge(f"a header of the form is more than {_HEADERS:,} bytes")

    def _end_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _end_part(self) -> None:
        name = parse_options_header(self._headers.get(b"content-disposition", b""))[1].get(b"name")
        if name is None:
            raise BadRequest("a part of the form has no name")
        kind = self._headers.get(b"content-type", b"").decode("latin-1").strip()
        self.found.append(_Part(name.decode("utf-8", "replace"), b"".join(self._data), kind))

    def _end(self) -> None:
        self.ended = True


def _together(parts: list[_Part]) -> Any:
    """The object of which `parts` are the members, by their names; None of none. Raises BadRequest.

    >>> _together([_Part("metadata[owner]", b"ann", ""), _Part("metadata[tags][]", b"new", "")])
    {'owner': 'ann', 'tags': ['new']}
    """
    whole: dict[str, Any] = {}
    for name, body, _ in parts:
        *above, last = _MEMBER.findall(name.removeprefix("metadata"))
        place: Any = whole
        for step, after in zip(above, [*above, last][1:], strict=True):
            place = place.setdefault(step, {} if after else []) if isinstance(place, dict) else None
        text = body.decode("utf-8", "replace")
        if isinstance(place, dict) and last:
            place[last] = text
        elif isinstance(place, list) and not last:
            place.append(text)
        else:
            raise BadRequest(f"{name!r:.80} does not fit the other parts of the metadata")
    return whole or None
