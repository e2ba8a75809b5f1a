"""Words, files and stdin become values; a version may be said as `~1`.

Rule: what looks like JSON is JSON, and wrong JSON is an error; all else is text.
`--text` says that it is text whatever it looks like.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from crdtkv.bulk.items import MAX_LINE, read_word
from crdtkv.cli.door import many
from crdtkv.core.blob import Blob
from crdtkv.errors import BadRequest, CrdtkvError, TooLarge, ValueInvalid

if TYPE_CHECKING:
    from crdtkv import KeyValue

__all__ = ["one_value", "read_all", "several_values", "version_of"]

_AS_TEXT = "correct it, or give --text to keep it as it stands"


def one_value(word: str | None, file: Path | None, text: bool, content_type: str | None = None) -> Any:
    """The value that a command was given: a word, '-' for stdin, or a file."""
    if (word is None) == (file is None):
        raise typer.BadParameter("give a VALUE, or --file FILE, or '-' for stdin", param_hint="VALUE")
    if content_type is not None:
        return Blob(_bytes(word, file), content_type)
    if word is not None and word != "-":
        return _value(word, text)
    found = _decoded(_bytes(word, file))
    return found if text else _value(found.removesuffix("\n").removesuffix("\r"), text)


def several_values(words: list[str] | None, file: Path | None, text: bool) -> list[Any]:
    """The values that a command was given: words, and lines of stdin or a file."""
    out: list[Any] = []
    for word in words or []:
        out += _each_line(read_all(None), text) if word == "-" else [_value(word, text)]
    if file is not None:
        out += _each_line(read_all(file), text)
    return out


def read_all(file: Path | None) -> bytes:
    """A file, or stdin. Raises TooLarge for what no value can be, without reading it all."""
    if file is None:
        found = sys.stdin.buffer.read(MAX_LINE + 1)
    else:
        with file.open("rb") as stream:
            found = stream.read(MAX_LINE + 1)
    if len(found) > MAX_LINE:
        raise TooLarge(f"{'stdin' if file is None else repr(str(file))} is more than {MAX_LINE} bytes; no value is")
    return found


def version_of(kv: "KeyValue", key: str, words: str | None) -> str | None:
    """A version as it was printed, or `~n`: as it was before the last n writes. No version begins with '~'."""
    if words is None or words[:1] != "~":
        return words
    if not words[1:].isdecimal():
        raise typer.BadParameter(f"{words!r} is no version; ~1 is what was before the last write, ~0 what is now")
    revisions = kv.history(key)
    if not revisions:
        raise BadRequest(f"there is no {key!r}, and nothing is known of it", next_step="see what there is: crdtkv scan")
    back = int(words[1:])
    if back >= len(revisions):
        raise BadRequest(
            f"{key!r} has {many(len(revisions), 'version')} here; {words} is before them",
            next_step=f"see: crdtkv history {key}",
        )
    return revisions[-1 - back].version


def _bytes(word: str | None, file: Path | None) -> bytes:
    return word.encode() if word is not None and word != "-" else read_all(file)


def _decoded(data: bytes) -> str:
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        raise ValueInvalid(
            f"not UTF-8 at byte {error.start}", next_step="give --type, as in --type image/png, to keep it as bytes"
        ) from None


def _each_line(data: bytes, text: bool) -> list[Any]:
    return [_value(line, text) for line in _decoded(data).splitlines() if line.strip()]


def _value(word: str, text: bool) -> Any:
    if text:
        return word
    try:
        return read_word(word)
    except CrdtkvError as error:
        error.next_step = _AS_TEXT
        raise
