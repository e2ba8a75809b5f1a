"""Rules of the engine, each with a line that keeps it, the line written wrong, and a story that notices.

A proof is a function that asserts what must hold. It runs whole, and passes; and once for
each of its guards with that guard broken, and must fail, by an assertion or by an error of
the store's own tree: a crash in the story itself proves nothing.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any, NamedTuple, Protocol

import pytest

__all__ = ["GUARDS", "Both", "Guard", "Line", "Mutation", "Setting", "guards"]


class Mutation(Protocol):
    """Something of the engine, broken in a way that a programmer might break it."""

    @property
    def words(self) -> str: ...

    def broken(self, patch: pytest.MonkeyPatch) -> None: ...


class Line(NamedTuple):
    """In the source of `where`, `old` (which stands there once) reads `new`."""

    where: Any
    old: str
    new: str

    @property
    def words(self) -> str:
        return f"{_function(self.where).__qualname__}: {_short(self.old)} -> {_short(self.new)}"

    def broken(self, patch: pytest.MonkeyPatch) -> None:
        function = _function(self.where)
        # Its code is exchanged and not the function: others hold it by their own names.
        patch.setattr(function, "__code__", _rewritten(function, self.old, self.new))


class Setting(NamedTuple):
    """`name` of a module or class is `value`."""

    where: Any
    name: str
    value: Any

    @property
    def words(self) -> str:
        return f"{self.where.__name__.rpartition('.')[2]}.{self.name} = {self.value!r}"

    def broken(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(self.where, self.name, self.value)


class Both(NamedTuple):
    """Two lines keep one rule: both are written wrong."""

    one: Mutation
    other: Mutation

    @property
    def words(self) -> str:
        return f"{self.one.words}; {self.other.words}"

    def broken(self, patch: pytest.MonkeyPatch) -> None:
        self.one.broken(patch)
        self.other.broken(patch)


class Guard(NamedTuple):
    """`rule`: words of docs/replication.md, or of the code that keeps it."""

    rule: str
    mutation: Mutation
    proof: Callable[[], None]
    name: str
    """`area-proof`, and a number where a proof has several guards."""

    @contextmanager
    def broken(self) -> Iterator[None]:
        """While this lasts, the engine does without the guard."""
        with pytest.MonkeyPatch.context() as patch:
            self.mutation.broken(patch)
            yield


GUARDS: list[Guard] = []


def guards(rule: str, *mutations: Mutation) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """What follows proves that `rule` is kept: it fails with any one of the mutations."""

    def keep(proof: Callable[[], None]) -> Callable[[], None]:
        name = f"{proof.__module__.rpartition('.')[2]}-{proof.__name__}"
        for mutation in mutations:
            count = sum(guard.proof is proof for guard in GUARDS)
            GUARDS.append(Guard(rule, mutation, proof, f"{name}-{count + 1}" if count else name))
        return proof

    return keep


def _function(where: Any) -> FunctionType:
    if isinstance(where, property):
        where = where.fget
    found = inspect.unwrap(where)
    assert isinstance(found, FunctionType), f"{where!r} is no function of ours"
    return found


def _rewritten(function: FunctionType, old: str, new: str) -> CodeType:
    """The code of `function` with the line written wrong."""
    source = _SOURCES.get(function.__code__) or textwrap.dedent(inspect.getsource(function))
    count = source.count(old)
    name = f"{function.__module__}.{function.__qualname__}"
    if count != 1:
        raise LookupError(f"{old!r} stands {count} times in {name}, not once: which line keeps the rule now?")
    source = source.replace(old, new)
    inner = bool(function.__code__.co_freevars)  # `super()` wants a class around it
    whole = "class Inner:\n" + textwrap.indent(source, "    ") if inner else source
    names = dict(function.__globals__)
    exec(compile(whole, f"<{name}, a line wrong>", "exec", annotations.compiler_flag, dont_inherit=True), names)
    made = inspect.unwrap(getattr(names["Inner"], function.__name__) if inner else names[function.__name__])
    code: CodeType = (made.fget if isinstance(made, property) else made).__code__
    _SOURCES[code] = source
    return code


_SOURCES: dict[CodeType, str] = {}
"""Of code that was written wrong, so that a second line of it can be."""


def _short(code: str) -> str:
    return " ".join(code.split())
