"""Which strategies there are, and the strategy that a spec names.

A spec is `name`, `name?option=value&option=value` or `merge:<function>`. Strategies
of others register here, or under the entry-point group `crdtkv.strategies`; those
are looked for only when a name is not known yet (reading them takes milliseconds).
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import TypeVar

from crdtkv.core.show import show
from crdtkv.errors import RuleInvalid, UnknownStrategy
from crdtkv.strategies.base import Strategy, learn
from crdtkv.strategies.merge import Merge

__all__ = ["GROUP", "find", "names", "register", "strategy"]

GROUP = "crdtkv.strategies"

_BUILT_IN = {
    "counter": "counter:Counter",
    "flag": "flag:Flag",
    "hash": "hash:Hash",
    "json": "json:Json",
    "latch": "latch:Latch",
    "list": "list:List",
    "log": "log:Log",
    "lww": "lww:Lww",
    "max": "greatest:Max",
    "merge": "merge:Merge",
    "min": "greatest:Min",
    "mv": "mv:Mv",
    "set": "set:Set",
    "words": "words:Words",
    "zset": "zset:Zset",
}
_registered: dict[str, type[Strategy]] = {}

_Class = TypeVar("_Class", bound=type[Strategy])


def register(cls: _Class) -> _Class:
    """Make a strategy known under its name; usable as a decorator. Raises RuleInvalid if the name is taken.

    Registering one class twice changes nothing. O(1).

    >>> register(find("set"))
    Traceback (most recent call last):
    crdtkv.errors.RuleInvalid: there is a strategy 'set' already
    """
    if not isinstance(cls, type) or not issubclass(cls, Strategy):
        raise RuleInvalid(f"{show(cls)} is no strategy; derive a class from crdtkv.strategies.base.Strategy")
    name = cls.name
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        raise RuleInvalid(f"a strategy's name is ASCII letters, digits, '-' and '_'; not {show(name)}")
    if name in _BUILT_IN or _registered.get(name, cls) is not cls:
        raise RuleInvalid(f"there is a strategy {name!r} already")
    _registered[name] = cls
    learn()
    return cls


def names() -> list[str]:
    """Every strategy's name, sorted. Loads the entry points, which takes milliseconds the first time.

    >>> "counter" in names()
    True
    """
    _load_entry_points()
    return sorted(_BUILT_IN.keys() | _registered.keys())


def find(name: str) -> type[Strategy]:
    """The class of that name. O(1), or the loading of its module. Raises UnknownStrategy.

    >>> find("set").options
    {'wins': ...}
    """
    if name in _BUILT_IN:
        module, _, cls = _BUILT_IN[name].partition(":")
        found: type[Strategy] = getattr(import_module(f"crdtkv.strategies.{module}"), cls)
        return found
    if name not in _registered:
        known = ", ".join(names())
        if name not in _registered:
            raise UnknownStrategy(f"no strategy {show(name)}; there are {known}")
    return _registered[name]


@lru_cache(maxsize=1024)
def strategy(spec: object) -> Strategy:
    """The strategy that `spec` names. Raises UnknownStrategy or RuleInvalid. Cost: O(1) once asked for.

    >>> strategy("set?wins=remove").spec, strategy("set?wins=add").spec
    ('set?wins=remove', 'set')
    """
    if not isinstance(spec, str):
        raise UnknownStrategy(f"a strategy is named by text; not {show(spec)}; there are {', '.join(names())}")
    name, asked, rest = spec.partition("?")
    head, colon, function = name.partition(":")
    if head == Merge.name:
        if asked or not function:
            raise RuleInvalid(f"merge is written merge:<function> and takes no options; not {show(spec)}")
        return Merge(function)
    if colon:
        raise UnknownStrategy(f"no strategy {show(name)}; there are {', '.join(names())}")
    cls = find(name)
    return cls(**_options(cls, rest)) if asked else cls()


def _options(cls: type[Strategy], text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in text.split("&"):
        option, equals, value = part.partition("=")
        if option not in cls.options:
            raise RuleInvalid(f"{cls.name} takes the options {', '.join(cls.options) or '(none)'}; not {show(option)}")
        if not equals or option in options:
            raise RuleInvalid(f"options are written option=value, each once; not {show(text)}")
        options[option] = value
    return options


@lru_cache(maxsize=1)
def _load_entry_points() -> None:
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP):
        try:
            register(point.load())
        except Exception as error:
            # Whatever it is: nothing else would tell whose code that was.
            raise RuleInvalid(
                f"the plugin {point.name!r} ({point.value}) cannot be loaded: {type(error).__name__}: {error}",
                next_step="mend that package, or uninstall it",
            ) from error
