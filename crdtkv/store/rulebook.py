"""The rules of a namespace: replicated data in a system key, and what a changed rule would do."""

from __future__ import annotations

import builtins
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crdtkv.core.cells import expiry_of
from crdtkv.core.keys import check_key
from crdtkv.core.rules import MAX_RULES, Rule, path_spec, rule_from_plain
from crdtkv.core.show import show
from crdtkv.errors import CrdtkvError, PatternInvalid, RuleInvalid
from crdtkv.replica.draft import Draft
from crdtkv.store.results import Migration
from crdtkv.store.ruling import RULES, known_rules, rule_of
from crdtkv.strategies.base import ABSENT, Operation
from crdtkv.strategies.registry import strategy
from crdtkv.strategies.roots import TTL_PATH

if TYPE_CHECKING:
    from crdtkv.store.store import Store

__all__ = [
    "Rulebook",
    "check_strategies",
]


class Rulebook:
    """`kv.rules`: which strategy new keys get. Changing a rule changes new keys; `migrate` rewrites old ones.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> _ = kv.rules.set("tags/*", "set")
    >>> kv.put("tags/7", ["b", "a", "a"]).value
    ['a', 'b']
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def set(
        self, pattern: str, strategy: str, *, paths: dict[str, Any] | None = None, ttl: str = "max",
        keep_cells: int = 64, keep_hours: float = 24.0, require_base: bool = False, **options: Any,
    ) -> Rule:  # fmt: skip
        """Keys matching `pattern` are made under `strategy` with `options`; in json, under the strategies of `paths`.

        `pattern`: a key, a glob such as `todo/*`, or `re:` and a regular expression. `ttl`: which of
        concurrent dates holds, `max` or `min`. `keep_cells`, `keep_hours`: how much is kept of what was
        replaced, per cell. `require_base`: a put or patch must say its base. O(rules).
        Raises RuleInvalid, PatternInvalid, UnknownStrategy: nothing changed.

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> _ = kv.rules.set("cart/*", "set", wins="remove")
        >>> kv.put("cart/7", ["b", "a"]).strategy
        'set?wins=remove'
        """
        plain = {
            "pattern": pattern, "strategy": path_spec({strategy: options} if options else strategy), "ttl": ttl,
            "paths": paths or {}, "keep_cells": keep_cells, "keep_hours": keep_hours, "require_base": require_base,
        }  # fmt: skip
        rule = rule_from_plain(plain)
        if rule in self.all():
            return rule
        check_strategies(rule)
        if len(known_rules(self._store._replica)) >= MAX_RULES:
            raise RuleInvalid(f"there are {MAX_RULES} rules, the most allowed; remove one before setting {pattern!r}")
        place = Operation("at", ((pattern,), "json", Operation("put", (rule.to_plain(),))))
        self._store._run(lambda draft: draft.operate(RULES, place, spec="json"))
        return rule

    def remove(self, pattern: str) -> None:
        """The rule of `pattern` is gone; keys keep what they are. O(rules). Raises RuleInvalid if there is none.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> _ = kv.rules.set("cart/*", "set")
        >>> kv.rules.remove("cart/*"); kv.rules.all()
        []
        """
        if all(rule.pattern != pattern for rule in self.all()):
            raise RuleInvalid(
                f"no rule for {show(pattern)}; there are {', '.join(repr(r.pattern) for r in self.all()) or 'none'}"
            )
        place = Operation("at", ((pattern,), "json", Operation("delete")))
        self._store._run(lambda draft: draft.operate(RULES, place, spec="json"))

    def all(self) -> builtins.list[Rule]:
        """The rules, by pattern. O(rules). Raises StoreClosed.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> _ = kv.rules.set("cart/*", "set"); _ = kv.rules.set("a", "lww")
        >>> [(rule.pattern, rule.strategy) for rule in kv.rules.all()]
        [('a', 'lww'), ('cart/*', 'set')]
        """
        with self._store._lock:
            self._store._writer.check_open()
            return sorted(known_rules(self._store._replica), key=lambda rule: rule.pattern)

    def of(self, key: str) -> Rule:
        """The rule that holds for `key`. O(rules). Raises KeyInvalid, StoreClosed.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> _ = kv.rules.set("cart/*", "set")
        >>> kv.rules.of("cart/7").strategy, kv.rules.of("todo").strategy
        ('set', 'json')
        """
        check_key(key)
        with self._store._lock:
            self._store._writer.check_open()
            return rule_of(self._store._replica, key)

    def migrate(self, pattern: str = "*", *, dry_run: bool = False) -> builtins.list[Migration]:
        """Rewrite the keys matching `pattern` that their rule would make otherwise; or say what that would do.

        Each key is one ordinary transaction: its value is put again under the new
        strategy. A value that does not fit is left alone, with the reason. O(keys + what is rewritten).
        Raises PatternInvalid.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv["n"] = 5; kv["t"] = "text"
        >>> _ = kv.rules.set("*", "counter")
        >>> [(m.key, m.old, m.new, m.problem is None) for m in kv.rules.migrate(dry_run=True)]
        [('n', 'json', 'counter', True), ('t', 'json', 'counter', False)]
        """
        from crdtkv.core.rules import parse_pattern

        if not isinstance(pattern, str):
            raise PatternInvalid(f"pattern is {show(pattern)}; text is wanted")
        matcher = parse_pattern(pattern)
        keys = [key for key in self._store if matcher.matches(key)]
        return [done for key in keys if (done := self._migrate(key, dry_run)) is not None]

    def _migrate(self, key: str, dry_run: bool) -> Migration | None:
        store = self._store
        with store._lock:
            shown = store._replica.shown(key)
            rule = self.of(key)
            new = strategy(rule.strategy)
            if shown is None or (shown[0].spec == new.spec and not shown[0].misplaced(shown[1], rule.strategy_for)):
                return None
            before = shown[0].read(shown[1])
            made = Migration(key, shown[0].spec, new.spec, before, None)
            try:
                return replace(made, after=store._run(lambda draft: _remake(draft, key, before, new.spec, dry_run)))
            except _Undone as undone:
                return replace(made, after=undone.after)
            except CrdtkvError as error:
                return replace(made, problem=str(error))


class _Undone(Exception):
    """A dry run was done and is undone."""

    def __init__(self, after: Any) -> None:
        self.after = after


def _remake(draft: Draft, key: str, value: Any, spec: str, dry_run: bool) -> Any:
    """The key made anew under another strategy, with the date it had; how it reads then."""
    date = expiry_of(draft.replica.storage.cells(key).get(TTL_PATH, ()))
    draft.operate(key, Operation("delete"))
    draft.operate(key, Operation("put", (value,)), spec=spec)
    if date is not None:
        draft.expire(key, date)
    after = draft.replica.read(key)
    if dry_run:
        raise _Undone(None if after is ABSENT else after)
    return None if after is ABSENT else after


def check_strategies(rule: Rule) -> None:
    """Raise UnknownStrategy, RuleInvalid or MergeFunctionInvalid for what a rule names and is not known here."""
    # A list at a path is the document's own: its option is none of the strategy list.
    inside = (spec for _, spec in rule.paths if spec.partition("?")[0] != "list")
    for spec in (rule.strategy, *inside):
        strategy(spec).check_known()
