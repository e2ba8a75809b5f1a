"""`kv.rules` of a client: the rules at the colo, with the methods of a Store's."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from crdtkv.core.rules import Rule, path_spec, rule_from_plain
from crdtkv.store.results import Migration

if TYPE_CHECKING:
    from crdtkv.client.blocking import Client

__all__ = ["RemoteRules", "rule_as_given"]


def rule_as_given(
    pattern: str, strategy: str, paths: dict[str, Any] | None, ttl: str, keep_cells: int, keep_hours: float,
    require_base: bool, options: dict[str, Any],
) -> Rule:  # fmt: skip
    """The rule that `set` is given. Raises RuleInvalid, PatternInvalid."""
    return rule_from_plain({
        "pattern": pattern, "strategy": path_spec({strategy: options} if options else strategy), "ttl": ttl,
        "paths": paths or {}, "keep_cells": keep_cells, "keep_hours": keep_hours, "require_base": require_base,
    })  # fmt: skip


class RemoteRules:
    """Which strategy new keys get. As Rulebook; each method is a request."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def set(
        self, pattern: str, strategy: str, *, paths: dict[str, Any] | None = None, ttl: str = "max",
        keep_cells: int = 64, keep_hours: float = 24.0, require_base: bool = False, **options: Any,
    ) -> Rule:  # fmt: skip
        """Keys matching `pattern` are made under `strategy` with `options`. As Rulebook.set."""
        rule = rule_as_given(pattern, strategy, paths, ttl, keep_cells, keep_hours, require_base, options)
        return self._client._drive(self._client._calls.set_rule(rule))

    def remove(self, pattern: str) -> None:
        """The rule of `pattern` is gone; keys keep what they are. Raises RuleInvalid if there is none."""
        self._client._drive(self._client._calls.remove_rule(pattern))

    def all(self) -> builtins.list[Rule]:
        """The rules, by pattern."""
        return self._client._drive(self._client._calls.rules())

    def of(self, key: str) -> Rule:
        """The rule that holds for `key`. Raises KeyInvalid."""
        return self._client._drive(self._client._calls.rule_of(key))

    def migrate(self, pattern: str = "*", *, dry_run: bool = False) -> builtins.list[Migration]:
        """Rewrite the keys matching `pattern` that their rule would make otherwise; or say what that would do."""
        return self._client._drive(self._client._calls.migrate(pattern, dry_run=dry_run))
