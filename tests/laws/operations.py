"""What clients do: every operation of every strategy, drawn from a seed.

A wish is drawn from what the client sees, so that indices fit and puts of whole
values are edits of what was read. Small worlds collide: a handful of values.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

from crdtkv.core import values
from crdtkv.strategies.base import ABSENT
from crdtkv.strategies.merge import install
from crdtkv.strategies.registry import names, strategy

__all__ = ["JSON_PATHS", "ONCE_KEYS", "SPECS", "Wish", "draw", "norm", "norm_read", "spec_of"]

SPECS = (
    "lww", "mv", "max", "min", "latch?order=open,paid,sent", "flag", "flag?wins=disable", "counter", "set",
    "set?wins=remove", "list", "log", "json", "json?wins=delete", "merge:folded", "words", "words?wins=delete",
    "json?strings=words", "json?strings=words&wins=delete", "hash", "zset",
)  # fmt: skip
JSON_PATHS = {
    "/tags": "set", "/out": "set?wins=remove", "/hits": "counter", "/done": "flag", "/notes": "log",
    "/items": "list?key=sku", "/top": "max", "/deep/n": "counter",
}  # fmt: skip
ONCE_KEYS = ("once-a", "once-b")
_SCALARS = (0, 1, 2, 2.0, True, None, "x", "y")
_ELEMENTS = ("x", "y", "z", 1, True)
_STATES = ("open", "paid", "sent")
_WORDS = ("it", "is", "a", "b", "&&")


def folded(base: Any, mine: Any, theirs: Any) -> Any:
    """A user's function that shows its bases and its order; not commutative on purpose."""
    if mine in (base, theirs):
        return theirs
    if theirs == base:
        return mine
    return f"{base}/{mine}/{theirs}"[-40:]


install("folded", folded)


class Wish(NamedTuple):
    """An operation of a strategy family on a key; at `path` in a JSON document if that is not None."""

    family: str
    name: str
    args: tuple[Any, ...]
    path: tuple[str, ...] | None = None


def spec_of(key: str) -> str:
    """The strategy spec that a key of these worlds is made under: its text before the '#'."""
    return key.split("#")[0]


def draw(dice: Random, spec: str, shown: Any, ms: int, names: tuple[str, ...] = ()) -> Wish:
    """A wish for a key of that spec which now shows `shown` (None: absent). `names`: the only members to touch."""
    if names and spec.startswith("json") and dice.random() < 0.7:
        return _narrow(dice, shown, names, ms)
    family = spec.split("?")[0].split(":")[0]
    if dice.random() < 0.10:
        return Wish(family, "delete", ())
    drawn = _DRAW.get(family, _register)(dice, family, shown, ms)
    return drawn if isinstance(drawn, Wish) else Wish(family, drawn[0], tuple(drawn[1:]))


def _register(dice: Random, family: str, shown: Any, ms: int) -> Any:
    return ("put", dice.choice(_SCALARS) if dice.random() < 0.8 else [dice.choice(_SCALARS), {"a": dice.randrange(3)}])


def _number(dice: Random, family: str, shown: Any, ms: int) -> Any:
    return ("put", dice.randrange(-3, 9))


def _latch(dice: Random, family: str, shown: Any, ms: int) -> Any:
    return ("put", dice.choice(_STATES))


def _merge(dice: Random, family: str, shown: Any, ms: int) -> Any:
    return ("put", dice.choice(("p", "q", "r", 1)))


def _words(dice: Random, family: str, shown: Any, ms: int) -> Any:
    return ("put", _text(dice, shown) if dice.random() < 0.9 else dice.choice(_SCALARS))


def _text(dice: Random, shown: Any) -> str:
    """A text as a client sends it back: some words edited, or all of it written anew."""
    old = shown.split() if isinstance(shown, str) and dice.random() < 0.85 else []
    return " ".join(_edited(dice, old, _WORDS))


def _flag(dice: Random, family: str, shown: Any, ms: int) -> Any:
    return dice.choice([("enable",), ("disable",), ("put", True), ("put", False)])


def _fields(dice: Random, family: str, shown: Any, ms: int) -> Any:
    pick, name = dice.random(), dice.choice("xyz")
    if pick < 0.3:
        return ("set", *(part for n in dice.sample("xyz", dice.choice((1, 2))) for part in (n, dice.randrange(-2, 5))))
    if pick < 0.6:
        return ("add", name, dice.choice((1, 2, -3, 0.5, 0.1 if family == "hash" else 0.25)))
    if pick < 0.8:
        return ("remove", *dice.sample("xyz", dice.choice((1, 1, 2))))
    return ("clear",) if pick < 0.85 else ("put", {n: dice.randrange(4) for n in "xyz" if dice.random() < 0.6})


def _counter(dice: Random, family: str, shown: Any, ms: int) -> Any:
    pick = dice.random()
    if pick < 0.45:
        return ("add", dice.randrange(-4, 6))
    if pick < 0.7:
        key = dice.choice(ONCE_KEYS)
        return ("add", 7 if key == "once-a" else -5, key)
    return ("reset",) if pick < 0.85 else ("put", dice.randrange(-5, 10))


def _set(dice: Random, family: str, shown: Any, ms: int) -> Any:
    pick = dice.random()
    if pick < 0.4:
        return ("add", *dice.sample(_ELEMENTS, dice.randrange(1, 3)))
    if pick < 0.65:
        return ("remove", *dice.sample(_ELEMENTS, dice.randrange(1, 3)))
    if pick < 0.75:
        return ("clear",)
    return ("put", _edited(dice, shown, _ELEMENTS) if isinstance(shown, list) else dice.sample(_ELEMENTS, 2))


def _list(dice: Random, family: str, shown: Any, ms: int) -> Any:
    length = len(shown) if isinstance(shown, list) else 0
    value = dice.choice(_ELEMENTS)
    name = dice.choice(("append", "append", "prepend", "insert", "remove", "set", "move", "put", "put", "clear"))
    if name in ("remove", "set", "move") and not length:
        name = "append"
    match name:
        case "insert":
            return (name, dice.randrange(length + 1), value)
        case "remove":
            return (name, dice.randrange(length))
        case "set":
            return (name, dice.randrange(length), value)
        case "move":
            return (name, dice.randrange(length), dice.randrange(length))
        case "put":
            return (name, _edited(dice, shown if length else [], _ELEMENTS))
        case "clear":
            return (name,)
    return (name, *(dice.choice(_ELEMENTS) for _ in range(dice.randrange(1, 3))))


def _log(dice: Random, family: str, shown: Any, ms: int) -> Any:
    pick = dice.random()
    if pick < 0.6:
        return ("append", *(dice.choice(_SCALARS) for _ in range(dice.randrange(1, 3))))
    if pick < 0.8:
        return ("trim", max(0, ms - dice.randrange(400)))
    if pick < 0.9 and isinstance(shown, list) and shown:
        return ("keep", dice.randrange(len(shown) + 1)) if pick < 0.85 else ("remove", dice.randrange(len(shown)))
    return ("put", [*(shown if isinstance(shown, list) else []), *dice.sample(_SCALARS, dice.randrange(2))])


def _edited(dice: Random, shown: Any, choices: tuple[Any, ...]) -> list[Any]:
    """A list as a client sends it back: something removed, put in or put elsewhere."""
    out = list(shown)
    for _ in range(dice.randrange(1, 4)):
        pick = dice.random()
        if out and pick < 0.4:
            out.pop(dice.randrange(len(out)))
        elif out and pick < 0.55:
            out.insert(dice.randrange(len(out)), out.pop(dice.randrange(len(out))))
        elif len(out) < 8:
            out.insert(dice.randrange(len(out) + 1), dice.choice(choices))
    return out


# json

_POINTERS = (("a",), ("b",), ("deep",), ("deep", "b"), ("deep", "c"), ("arr",), ("items",), ("tags",), ("out",),
             ("hits",), ("done",), ("notes",), ("top",), ("deep", "n"), ("text",), ("deep", "text"))  # fmt: skip
_NESTED = {
    ("tags",): "set", ("out",): "set", ("hits",): "counter", ("deep", "n"): "counter", ("done",): "flag",
    ("notes",): "log", ("arr",): "list", ("items",): "list",
}  # fmt: skip


def _json(dice: Random, family: str, shown: Any, ms: int) -> Any:
    pick = dice.random()
    if pick < 0.35:
        return ("put", _document(dice, shown))
    if pick < 0.45:
        return ("patch", {dice.choice("ab"): dice.choice((None, 1, {"k": 2}))} if isinstance(shown, dict) else {"a": 1})
    path = dice.choice(_POINTERS)
    if path in _NESTED and dice.random() < 0.75:
        nested = _NESTED[path]
        return _nested(dice, path, nested, _at(shown, path), ms)
    if path == ("arr",) or path == ("items",):
        inner = _at(shown, path)
        if isinstance(inner, list) and inner and dice.random() < 0.6:
            at = str(dice.randrange(len(inner)))
            return Wish("json", "put", (dice.choice(_SCALARS),), (*path, at, dice.choice("ab")))
    if dice.random() < 0.3:
        return Wish("json", "delete", (), path)
    if path[-1] == "text":
        return Wish("json", "put", (_text(dice, _at(shown, path)),), path)
    return Wish("json", "put", (_value(dice, path),), path)


def _narrow(dice: Random, shown: Any, names: tuple[str, ...], ms: int) -> Wish:
    """A document of few members: concurrent edits meet."""
    pick = dice.random()
    if pick < 0.2:
        return Wish("json", "delete", ())
    path = (dice.choice(names),)
    if pick < 0.4:
        return Wish("json", "delete", (), path)
    if pick < 0.55:
        return Wish("json", "put", ({name: _value(dice, (name,)) for name in names if dice.random() < 0.5},))
    if path in _NESTED and pick < 0.8:
        return _nested(dice, path, _NESTED[path], _at(shown, path), ms)
    deeper = path == ("deep",) and dice.random() < 0.7
    return Wish(
        "json", "put", (_value(dice, ("b",) if deeper else path),), (*path, dice.choice("bc")) if deeper else path
    )


def _nested(dice: Random, path: tuple[str, ...], nested: str, shown: Any, ms: int) -> Wish:
    if nested == "list":
        name, *args = _list(dice, nested, shown, ms)
        if name in ("append", "prepend", "insert"):
            args = [*args[: 1 if name == "insert" else 0], _element(dice, path)]
        if name == "set":
            args = [args[0], _element(dice, path)]
        if name in ("put", "clear"):
            return Wish("json", "put", (_elements(dice, path, shown if name == "put" else []),), path)
        return Wish(nested, name, tuple(args), path)
    name, *args = _DRAW[nested](dice, nested, shown, ms)
    return Wish(nested, name, tuple(args), path)


def _element(dice: Random, path: tuple[str, ...]) -> Any:
    if path == ("items",) and dice.random() < 0.8:
        return {"sku": dice.choice("pq"), "n": dice.randrange(3)}
    return dice.choice((1, "x", {"a": dice.randrange(2), "b": 1}))


def _elements(dice: Random, path: tuple[str, ...], shown: Any) -> list[Any]:
    out = _edited(dice, shown if isinstance(shown, list) else [], ("x",))
    return [_element(dice, path) if e == "x" else e for e in out]


def _value(dice: Random, path: tuple[str, ...]) -> Any:
    match path[-1]:
        case "tags" | "out":
            return dice.sample(_ELEMENTS, dice.randrange(3))
        case "hits" | "n" | "top":
            return dice.randrange(-2, 6)
        case "done":
            return dice.random() < 0.5
        case "text":
            return _text(dice, None)
        case "notes":
            return [dice.choice(_SCALARS)]
        case "arr" | "items":
            return _elements(dice, path, [])
        case "deep":
            return dice.choice(({}, {"b": 1}, {"b": 2, "c": {"d": 1}}, {"n": 3}, 5, [1]))
    return dice.choice((*_SCALARS, {"k": 1}, {"k": 2, "l": [1]}, [], [1, 2]))


def _document(dice: Random, shown: Any) -> Any:
    if dice.random() < 0.07:
        return dice.choice((5, [], [1, {"a": 2}], "text", {}))
    out = dict(shown) if isinstance(shown, dict) else {}
    for _ in range(dice.randrange(1, 4)):
        name = dice.choice(("a", "b", "deep", "arr", "items", "tags", "out", "hits", "done", "notes", "top", "text"))
        if name in out and dice.random() < 0.35:
            del out[name]
        elif name == "text":
            out[name] = _text(dice, out.get(name))
        elif name in ("arr", "items"):
            out[name] = _elements(dice, (name,), out.get(name))
        elif name == "notes":
            old = out.get(name)
            out[name] = [*(old if isinstance(old, list) else []), dice.choice(_SCALARS)]
        elif name == "deep" and isinstance(out.get(name), dict):
            out[name] = {**out[name], dice.choice("bc"): _value(dice, ("b",))}
        else:
            out[name] = _value(dice, (name,))
    return out


def _at(shown: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(shown, dict):
            return None
        shown = shown.get(name)
    return shown


_DRAW: dict[str, Any] = {
    "max": _number, "min": _number, "latch": _latch, "flag": _flag, "counter": _counter, "set": _set, "list": _list,
    "hash": _fields, "zset": _fields, "log": _log, "json": _json, "merge": _merge, "words": _words,
}  # fmt: skip

assert {strategy(s).name for s in SPECS} >= set(names()) - {"merge"}, "a strategy was registered and is not drawn here"


# what a put must read as


def norm(spec: str, value: Any, before: Any) -> Any:
    """What a read shows right after a put of `value` on a current base; `before`: what was shown, or ABSENT."""
    family = spec.split("?")[0]
    normal = strategy(spec).norm(value)
    if family in ("max", "min", "latch") and before is not ABSENT:
        place = _STATES.index if family == "latch" else values.sort_key
        return (min if family == "min" else max)(before, normal, key=place)
    if family == "json" and isinstance(normal, dict) and isinstance(before, dict):
        now, was = normal.get("top"), before.get("top")
        if type(now) is int and type(was) is int and was > now:
            return {**normal, "top": (now, was)}
    return normal


def norm_read(spec: str, value: Any, wanted: Any) -> Any:
    """`value` in the form of `wanted` where a path of the document may have a strategy of its own."""
    if not (spec.startswith("json") and isinstance(value, dict) and isinstance(wanted, dict)):
        return value
    out = dict(value)
    for name in ("tags", "out"):
        if isinstance(out.get(name), list) and isinstance(wanted.get(name), list):
            wished = strategy("set").norm(wanted[name])
            out[name] = wanted[name] if values.equal(out[name], wished) else out[name]
    if isinstance(wanted.get("top"), tuple) and out.get("top") in wanted["top"]:
        out["top"] = wanted["top"]
    return out
