"""A value that is bytes, as an image is one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crdtkv.core.show import show
from crdtkv.errors import ValueInvalid

__all__ = ["Blob"]

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
        # It becomes an HTTP header: a line break in it would start another one.
        if type(self.content_type) is not str or not _CONTENT_TYPE.fullmatch(self.content_type):
            raise ValueInvalid(f"content type {show(self.content_type)} is not 1 to 255 printable ASCII characters")
