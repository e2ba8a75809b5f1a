"""Checks a user's merge function before it becomes a strategy.

Rule: what is found here, with words, would otherwise be found between colos, as
values that differ. It stands outside `strategies` since it starts processes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import islice, product
from typing import Any

from crdtkv.core import values
from crdtkv.core.show import show
from crdtkv.errors import MergeFunctionInvalid
from crdtkv.strategies.merge import Function, install

__all__ = ["MAX_SAMPLES", "SAMPLES", "SECONDS", "answers", "check_merge", "register_merge"]

SAMPLES: tuple[Any, ...] = (None, 0, 7, -1.5, "", "b", [], [1, 2], {}, {"a": 1, "b": [2]})
MAX_SAMPLES = 16
SECONDS = 60

_TRYING = "CRDTKV_TRYING_A_MERGE_FUNCTION"
"""In the world of a process that was started to try one."""

_CHILD = """
import sys
from importlib import import_module
from crdtkv.registration import answers
module, name = sys.argv[1:]
function = import_module(module)
for part in name.split("."):
    function = getattr(function, part)
print("\\n".join(answers(function, sys.stdin.read())))
"""


def register_merge(name: str, function: Function, samples: Iterable[Any] | None = None) -> None:
    """Check `function` and make it known here as the strategy `merge:<name>`.

    Every colo must register the same function under the same name. Raises
    MergeFunctionInvalid naming the sample and what came out of it. Cost: that of `check_merge`.

    >>> def highest(base, mine, theirs):
    ...     if mine == base: return theirs
    ...     return mine if theirs == base else max(mine, theirs)
    >>> register_merge("example-highest", highest, samples=[0, 1, 7])
    >>> register_merge("example-first", lambda base, mine, theirs: mine, samples=[0, 1])
    Traceback (most recent call last):
    crdtkv.errors.MergeFunctionInvalid: f(0, 0, 1) is 0; it must be 1
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
        raise MergeFunctionInvalid(f"a merge function's name is 1 to 64 of A-Z a-z 0-9 _ . -; not {show(name)}")
    check_merge(function, samples)
    install(name, function)


def check_merge(function: Function, samples: Iterable[Any] | None = None) -> None:
    """Try the contract on `samples`: f(b,b,x) = f(b,x,b) = f(b,x,x) = x, and the same answer every time.

    A function that can be imported is asked in two fresh processes with different
    hash seeds, which finds an order of a set or a `hash()` in its answers. Any
    other (a lambda, a closure, one of `__main__`) only twice in this process.
    Give samples of the kind that the keys hold. Cost: about 0.2 s.

    >>> check_merge(lambda base, mine, theirs: theirs if mine == base else mine, samples=["a", "b"])
    """
    if samples is not None and not isinstance(samples, Iterable):
        raise MergeFunctionInvalid(f"samples is {show(samples)}; values of the kind the keys hold are wanted")
    tried = list(islice(SAMPLES if samples is None else samples, MAX_SAMPLES + 1))
    if not 1 <= len(tried) <= MAX_SAMPLES:
        many = "empty" if not tried else f"more than {MAX_SAMPLES}"
        raise MergeFunctionInvalid(f"samples is {many}; give 1 to {MAX_SAMPLES} values of the kind the keys hold")
    for b, x in product(tried, tried):
        for arguments in ((b, b, x), (b, x, b), (b, x, x)):
            got = _call(function, *arguments)
            if values.pack_canonical(got) != values.pack_canonical(x):
                raise MergeFunctionInvalid(f"f{show(arguments)} is {show(got)}; it must be {show(x)}")
    _check_determinism(function, tried)


def answers(function: Function, packed: str) -> Iterator[str]:
    """What `function` makes of every three of the packed samples, packed, a line each."""
    for three in _threes(values.unpack(b64decode(packed))):
        try:
            yield b64encode(values.pack(function(*values.copy(list(three))))).decode()
        except Exception as error:
            yield f"raised {type(error).__name__}"


def _threes(tried: list[Any]) -> Iterator[tuple[Any, Any, Any]]:
    return product(tried, tried, tried)


def _call(function: Function, b: Any, x: Any, y: Any) -> Any:
    try:
        got = function(values.copy(b), values.copy(x), values.copy(y))
        values.pack(got)
    except Exception as error:
        raise MergeFunctionInvalid(f"f{show((b, x, y))} raised {error!r}") from error
    return got


def _check_determinism(function: Function, tried: list[Any]) -> None:
    packed = b64encode(values.pack(tried)).decode()
    # A module may register when it is imported: what imports it only to try a function must not begin anew.
    where = None if _TRYING in os.environ else _importable(function)
    here = list(answers(function, packed))
    if where:
        runs = [here, _in_process(where, packed, seed="1"), _in_process(where, packed, seed="2")]
    else:
        runs = [here, list(answers(function, packed))]
    for i, three in enumerate(_threes(tried)):
        said = {run[i] for run in runs}
        if len(said) > 1:
            shown = " or ".join(sorted(_words(line) for line in said))
            raise MergeFunctionInvalid(f"f{show(three)} is {shown}: it must be the same in every process")
        if here[i].startswith("raised "):
            raise MergeFunctionInvalid(f"f{show(three)} {here[i]}")


def _words(line: str) -> str:
    return line if line.startswith("raised ") else repr(values.unpack(b64decode(line)))


def _importable(function: Function) -> tuple[str, str] | None:
    """(module, name) under which another process finds `function`; None if none does."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not module or not name or module == "__main__":
        return None
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    return (module, name) if found is function else None


def _in_process(where: tuple[str, str], packed: str, seed: str) -> list[str]:
    paths = os.pathsep.join(p for p in sys.path if p)
    world = {**os.environ, _TRYING: "1", "PYTHONHASHSEED": seed, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *where], input=packed, env=world, capture_output=True, text=True,
        timeout=SECONDS,
    )  # fmt: skip
    if done.returncode:
        raise MergeFunctionInvalid(f"{'.'.join(where)} cannot be run in a fresh process: {done.stderr.strip()[-300:]}")
    return done.stdout.splitlines()
