"""A value that is bytes, as an image is one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from crdtkv.core.show import show
from crdtkv.errors import ValueInvalid

__all__ = ["Blob", "blob_in"]

_CONTENT_TYPE = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that are not JSON, with their content type (at most 255 printable ASCII characters).

    >>> Blob(b"GIF89a", "image/gif")
    Blob(data=b'GIF89a', content_type='image/gif')
    """

    data: bytes
    content_type: str = "application/octet-stream"

    def __post_init__(self) -> None:
        if type(self.data) is not bytes:
            raise ValueInvalid(f"a blob's data is bytes, not {type(self.data).__name__}")
        if type(self.content_type) is not str:
            raise _no_type(self.content_type)
        _checked(self.content_type)


def blob_in(data: bytes, content_type: bytes) -> Blob:
    """A blob that was packed: as `Blob` makes it of its data and the bytes of its type. Raises ValueError as that."""
    blob = _new(Blob)
    _set_data(blob, data)
    _set_type(blob, _type_in(content_type))
    return blob


@lru_cache
def _type_in(content_type: bytes) -> str:
    return _checked(content_type.decode("ascii"))


def _checked(content_type: str) -> str:
    # It becomes an HTTP header: a line break in it would start another one.
    if not _CONTENT_TYPE.fullmatch(content_type):
        raise _no_type(content_type)
    return content_type


def _no_type(content_type: object) -> ValueInvalid:
    return ValueInvalid(f"content type {show(content_type)} is not 1 to 255 printable ASCII characters")


_new = object.__new__
# A frozen class is filled through its slots: a third of the time of its own __init__.
_set_data, _set_type = (getattr(Blob, name).__set__ for name in ("data", "content_type"))
