"""TOML tables, taken apart: each value is asked for by its name and kind, and what is wrong names its line.

Law of this room: nothing is guessed and nothing passed over. A name that nobody asked for is an error.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from crdtkv.errors import BadRequest
from crdtkv.sim.chance import distribution, key_of

__all__ = [
    "Parser", "Table", "bandwidth", "colos", "draw", "flag", "groups", "key", "mapping", "names", "number", "one_of",
    "seconds", "share", "signed", "text", "turns", "whole",
]  # fmt: skip

_T = TypeVar("_T")
Parser = Callable[[Any], Any]
"""A value as TOML gives it to a value as the simulator takes it. Raises ValueError with what is allowed."""

_TIME = re.compile(r"([0-9.]+)\s*(us|ms|s|m|h|d)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RATE = re.compile(r"([0-9.]+)\s*(k|M|G)?bit")
_RATES = {None: 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


def seconds(value: Any) -> float:
    """A number of seconds, or as "120s", "50ms", "2h"."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    try:
        return float(found[1]) * _UNITS[found[2]] if found else number(value)
    except ValueError:
        raise ValueError("a time as '120s', '50ms', '2m', '1h' or '1d'") from None


def turns(value: Any) -> float:
    """Seconds, of what happens again and again."""
    found = seconds(value)
    if found < 0.001:
        raise ValueError("a time of at least '1ms'")
    return found


def bandwidth(value: Any) -> float:
    """Bytes a second, of as "300Mbit"."""
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None or not float(found[1]):
        raise ValueError("a rate as '300Mbit' or '10kbit'")
    return float(found[1]) * _RATES[found[2]] / 8


def number(value: Any) -> float:
    """A number that is none below 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError("a number of at least 0")
    return float(value)


def signed(value: Any) -> float:
    """Any number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise ValueError("a number")
    return float(value)


def whole(value: Any) -> int:
    """A whole number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a whole number of at least 0")
    return value


def share(value: Any) -> float:
    """0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("a share from 0 to 1")
    return float(value)


def text(value: Any) -> str:
    """Some text."""
    if not isinstance(value, str) or not value:
        raise ValueError("text")
    return value


def flag(value: Any) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def draw(value: Any) -> str | float:
    """A distribution in words, kept as they are."""
    try:
        distribution(value)
    except BadRequest as error:
        raise ValueError(_allowed(error)) from None
    kept: str | float = value
    return kept


def key(value: Any) -> str:
    """A template of keys, kept as it is."""
    try:
        key_of(text(value))
    except BadRequest as error:
        raise ValueError(_allowed(error)) from None
    return str(value)


def _allowed(error: BadRequest) -> str:
    """What is allowed, by the words of an error."""
    return str(error).partition("; ")[2].removesuffix(" are allowed")


def names(value: Any) -> tuple[str, ...]:
    """Some names."""
    if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
        raise ValueError("a list of names")
    return tuple(value)


def colos(value: Any) -> tuple[str, ...]:
    """Names of colos, in capitals."""
    return tuple(name.upper() for name in names(value))


def groups(value: Any) -> tuple[tuple[str, ...], ...]:
    """Lists of names of colos."""
    if not isinstance(value, list):
        raise ValueError("lists of colos, as in [['LHR', 'FRA'], ['SIN']]")
    found = tuple(map(colos, value))
    named = [name for group in found for name in group]
    if len(set(named)) < len(named):
        raise ValueError("each colo in one group, and once,")
    return found


def mapping(of: Callable[[Any], _T]) -> Callable[[Any], dict[str, _T]]:
    """A table of names to values of one kind."""

    def parse(value: Any) -> dict[str, _T]:
        if not isinstance(value, Mapping):
            raise ValueError("a table")
        return {str(name): of(each) for name, each in value.items()}

    return parse


def one_of(*allowed: str) -> Callable[[Any], str]:
    """One of some words."""

    def parse(value: Any) -> str:
        if value not in allowed:
            raise ValueError(" or ".join(map(repr, allowed)) if len(allowed) < 3 else "one of " + ", ".join(allowed))
        return str(value)

    return parse


class Table:
    """A table of a file, at its place in it. `where`: its header as it stands there; `turn`: which of that name."""

    def __init__(self, data: Mapping[str, Any], lines: list[str], file: str, where: str = "", turn: int = 0) -> None:
        self._data, self._lines, self._file, self._where, self._turn = dict(data), lines, file, where, turn
        self._asked: set[str] = set()

    @classmethod
    def parsed(cls, words: str, file: str) -> Table:
        """The whole of a file. Raises BadRequest."""
        try:
            return cls(tomllib.loads(words), words.splitlines(), file)
        except tomllib.TOMLDecodeError as error:
            raise BadRequest(f"{file}: {error}", next_step="mend the file") from None

    def take(self, name: str, parse: Callable[[Any], _T], default: Any = None, needed: bool = False) -> _T:
        """The value of that name, parsed; `default`, as TOML would give it, where there is none."""
        self._asked.add(name)
        if name not in self._data:
            if needed:
                raise self.wrong(f"{name} is missing", "")
            return parse(default) if default is not None else default  # type: ignore[return-value]
        try:
            return parse(self._data[name])
        except ValueError as error:
            raise self.wrong(f"{name} is {self._data[name]!r:.120}; {error} is allowed", name) from None

    def table(self, name: str) -> Table:
        """The table of that name; empty where there is none."""
        self._asked.add(name)
        found = self._data.get(name, {})
        if not isinstance(found, Mapping):
            raise self.wrong(f"{name} is {found!r:.80}; a table is wanted", name)
        where = f"{self._where}.{name}" if self._where else name
        return Table(found, self._lines, self._file, where, self._turn)

    def tables(self, name: str) -> list[Table]:
        """The tables [[name]], in order."""
        self._asked.add(name)
        found = self._data.get(name, [])
        if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
            raise self.wrong(f"{name} is {found!r:.80}; tables are wanted, each under [[{name}]]", name)
        return [Table(each, self._lines, self._file, name, turn) for turn, each in enumerate(found)]

    def options(self, parsers: Mapping[str, tuple[Parser, Any]]) -> dict[str, Any]:
        """All of these names, each parsed, or its default."""
        return {name: self.take(name, parse, default) for name, (parse, default) in parsers.items()}

    def end(self) -> None:
        """All has been asked for. Raises BadRequest for a name that nobody knows."""
        for name in self._data:
            if name not in self._asked:
                raise self.wrong(f"{name!r} is not known; there are {', '.join(sorted(self._asked))}", name)

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def wrong(self, words: str, name: str) -> BadRequest:
        """The error for what is wrong with a name of this table."""
        place = f" in [{self._where}]" if self._where else ""
        return BadRequest(f"{self._file}, line {self.line(name)}: {words}{place}", next_step="mend the scenario")

    def line(self, name: str) -> int:
        """Where that name stands, or the table begins."""
        begin = self._begin()
        pattern = re.compile(rf"""\s*["']?{re.escape(name)}["']?\s*[=.]""") if name else None
        for at in range(begin, len(self._lines)) if pattern else ():
            if at > begin and re.match(r"\s*\[", self._lines[at]) and not self._is_own(at):
                break
            if pattern is not None and (pattern.match(self._lines[at]) or self._inside(at, name)):
                return at + 1
        return begin + 1

    def _begin(self) -> int:
        """The line of the header, or of an inline table."""
        path, turn = self._where, -1
        header = re.compile(rf"\s*\[\[?\s*{re.escape(path)}\s*\]")
        for at, line in enumerate(self._lines if path else ()):
            if header.match(line):
                turn += 1
                if turn == self._turn or not line.lstrip().startswith("[["):
                    return at
        if "." in path:
            above, _, name = path.rpartition(".")
            return Table({}, self._lines, self._file, above, self._turn).line(name) - 1
        return 0

    def _is_own(self, at: int) -> bool:
        return bool(self._where) and self._lines[at].lstrip().startswith(f"[{self._where}.")

    def _inside(self, at: int, name: str) -> bool:
        """Whether it stands in an inline table of that line."""
        return re.search(rf"[{{,]\s*[\"']?{re.escape(name)}[\"']?\s*=", self._lines[at]) is not None
