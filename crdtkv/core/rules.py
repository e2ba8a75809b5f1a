"""Which strategy a key gets: rules, and which of them holds.

Exact key before longest prefix, glob or regex before the namespace default. Rules
are plain data: they are replicated as a JSON document, and read back from it.
A rule says how keys are *made*; what a key is stands in its paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from crdtkv.core.keys import Pattern, exact, glob, regex
from crdtkv.core.show import show
from crdtkv.errors import RuleInvalid

__all__ = [
    "DEFAULT",
    "MAX_PATHS",
    "MAX_RULES",
    "Paths",
    "Rule",
    "choose",
    "is_regex",
    "parse_pattern",
    "path_spec",
    "rule_from_plain",
]

MAX_RULES = 10_000
MAX_PATHS = 256

Paths = tuple[tuple[tuple[str, ...], str], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """How the keys that match are made.

    `pattern` as the user wrote it: a key, a glob, or `re:` and a regular expression.
    `paths`: JSON paths (`*` is any one member or element) and the strategy there.
    `ttl`: which of concurrent expiries holds, max or min. `keep`: superseded siblings
    per cell, and for how many hours. `require_base`: a put must name its base.
    """

    pattern: str
    strategy: str = "json"
    paths: Paths = ()
    ttl: str = "max"
    keep_cells: int = 64
    keep_hours: float = 24.0
    require_base: bool = False
    id: str = field(default="", compare=False)

    def strategy_for(self, tokens: tuple[str, ...]) -> str | None:
        """The strategy spec at a JSON path given as its tokens, `*` for an array's elements; None if silent.

        The most literal of the paths that fit is taken.
        """
        fits = [(sum(p != "*" for p in path), spec) for path, spec in self.paths if _fits(path, tokens)]
        return max(fits)[1] if fits else None

    def to_plain(self) -> dict[str, Any]:
        """For storage and for people."""
        return {
            "pattern": self.pattern, "strategy": self.strategy, "ttl": self.ttl,
            "paths": {"".join(f"/{t}" for t in path): spec for path, spec in self.paths},
            "keep_cells": self.keep_cells, "keep_hours": self.keep_hours, "require_base": self.require_base,
        }  # fmt: skip


DEFAULT = Rule("*")


def _fits(path: tuple[str, ...], tokens: tuple[str, ...]) -> bool:
    return len(path) == len(tokens) and all(p in ("*", t) for p, t in zip(path, tokens, strict=True))


def rule_from_plain(plain: Mapping[str, Any]) -> Rule:
    """The rule in plain data. Raises RuleInvalid, naming what does not fit."""
    paths = {} if plain.get("paths") is None else plain["paths"]
    texts = [(name, plain.get(name, ""), str) for name in ("pattern", "strategy")]
    for name, given, kind in [*texts, ("paths", paths, dict)]:
        if not isinstance(given, kind):
            raise RuleInvalid(f"{name} is {show(given)}; a {kind.__name__} is wanted")
    known = {"pattern", "strategy", "ttl", "paths", "keep_cells", "keep_hours", "require_base"}
    for name in plain:
        if name not in known:
            raise RuleInvalid(f"no rule setting {name!r}; there are {', '.join(sorted(known))}")
    rule = Rule(
        plain["pattern"], plain.get("strategy", "json"), _paths(paths), plain.get("ttl", "max"),
        plain.get("keep_cells", 64), plain.get("keep_hours", 24.0), plain.get("require_base", False),
    )  # fmt: skip
    _check(rule)
    return rule


def _check(rule: Rule) -> None:
    parse_pattern(rule.pattern)
    if rule.ttl not in ("max", "min"):
        raise RuleInvalid(f"ttl is {show(rule.ttl)}; max or min are allowed")
    if not isinstance(rule.keep_cells, int) or isinstance(rule.keep_cells, bool) or not 0 <= rule.keep_cells <= 10_000:
        raise RuleInvalid(f"keep_cells is {show(rule.keep_cells)}; 0 to 10000 are allowed")
    if not isinstance(rule.keep_hours, int | float) or not 0 <= rule.keep_hours <= 24 * 366:
        raise RuleInvalid(f"keep_hours is {show(rule.keep_hours)}; 0 to {24 * 366} are allowed")
    if not isinstance(rule.require_base, bool):
        raise RuleInvalid(f"require_base is {show(rule.require_base)}; true or false are allowed")
    if rule.paths and rule.strategy.split("?")[0] != "json":
        raise RuleInvalid(f"paths are for json; the strategy is {rule.strategy!r}")


def _paths(given: Mapping[str, Any]) -> Paths:
    if len(given) > MAX_PATHS:
        raise RuleInvalid(f"{len(given)} paths; at most {MAX_PATHS}")
    found = tuple(sorted((_tokens(pointer), path_spec(spec)) for pointer, spec in given.items()))
    for tokens, spec in found:
        _check_path(tokens, spec)
    return found


def _check_path(tokens: tuple[str, ...], spec: str) -> None:
    """What a document can hold at a path: at its root it is a document still, and its options hold for all of it."""
    name, asked, options = spec.partition("?")
    if not tokens and name not in ("json", "list"):
        raise RuleInvalid(f"path '' is the whole document, so it cannot be a {spec!r}; give the key that strategy")
    if name == "json" and asked:
        raise RuleInvalid(f"{spec!r} at a path: a document has one set of options, which its key's strategy names")
    if name == "list" and asked:
        _check_key_members(spec, options)


def _check_key_members(spec: str, options: str) -> None:
    members = options.removeprefix("key=").split(",")
    if not options.startswith("key=") or not all(members) or len(set(members)) < len(members):
        words = "the option key: one or more distinct names of members, as in list?key=sku"
        raise RuleInvalid(f"list in json takes {words}; not {spec!r}")


def _tokens(pointer: str) -> tuple[str, ...]:
    if pointer == "":
        return ()
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        raise RuleInvalid(f"path {show(pointer)} is not a JSON pointer; it begins with '/', as in '/tags'")
    return tuple(t.replace("~1", "/").replace("~0", "~") for t in pointer[1:].split("/"))


def path_spec(spec: Any) -> str:
    """A strategy spec from what a user may write: `"set"`, or `{"list": {"key": ["sku"]}}`.

    >>> path_spec({"list": {"key": ["sku"]}}), path_spec({"set": {"wins": "remove"}})
    ('list?key=sku', 'set?wins=remove')
    """
    if isinstance(spec, str):
        return spec
    if not isinstance(spec, Mapping) or len(spec) != 1:
        raise RuleInvalid(f"a strategy is a name or {{name: {{option: value}}}}; not {show(spec)}")
    [(name, options)] = spec.items()
    if not isinstance(options, Mapping):
        raise RuleInvalid(f"options of {name!r} are {{option: value}}; not {show(options)}")
    parts = [f"{option}={_option(option, value)}" for option, value in sorted(options.items())]
    return f"{name}?{'&'.join(parts)}" if parts else str(name)


def _option(option: str, value: Any) -> str:
    """An option's value as it stands in a spec, where commas are between the names of a list."""
    if not isinstance(value, list | tuple):
        return value if isinstance(value, str) else show(value)
    for name in value:
        if not isinstance(name, str) or not name or "," in name:
            raise RuleInvalid(f"{option} is a list of names without commas; {name!r} is none")
    return ",".join(value)


@lru_cache(maxsize=4096)
def parse_pattern(text: str) -> Pattern:
    """The pattern that `text` means. Raises PatternInvalid.

    `re:...` is a regular expression; with `*`, `?` or `[` it is a glob; else one key.
    """
    if is_regex(text):
        return regex(text[3:])
    return glob(text) if any(c in text for c in "*?[\\") else exact(text)


def is_regex(text: str) -> bool:
    """Whether a pattern's text is a regular expression."""
    return text.startswith("re:")


def choose(rules: Iterable[Rule], key: str) -> Rule:
    """The rule of `key`: exact, then the longest literal prefix, a glob before a regex, `*` last; else DEFAULT."""
    best: tuple[tuple[bool, int, bool, str], Rule] | None = None
    for rule in rules:
        if rule.pattern == key:
            return rule
        pattern = parse_pattern(rule.pattern)
        if pattern.matches(key):
            found = ((rule.pattern != "*", len(pattern.prefix), not is_regex(rule.pattern), rule.pattern), rule)
            best = found if best is None or found[0] > best[0] else best
    return best[1] if best else DEFAULT
