"""The namespaces of a cluster, as cells of its system namespace.

One document a namespace: `namespace/~id` holds `name`, `created`, `founder`, `colos` (absent:
all) and, once it is deleted, `deleted`. Its members merge one by one: who renames it and who
deletes it at the same time have both done so, and nothing takes a deletion back. The
default namespace needs no cell until it is renamed, so nobody who joins says anything of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from crdtkv.node.naming import DEFAULT_ID, DEFAULT_NAME, Namespace, is_id, is_name, resolved
from crdtkv.store.opening import is_colo
from crdtkv.store.store import Store

__all__ = ["NAMESPACES", "Catalogue"]

NAMESPACES = "namespace/"
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


class Catalogue:
    """What the system namespace `system` says of namespaces; of `colo`, which of them it holds."""

    def __init__(self, system: Store, colo: str) -> None:
        self._system = system
        self._colo = colo

    def read(self) -> dict[str, Namespace]:
        """Id -> namespace, the deleted ones too. O(namespaces)."""
        found = {each.id: each for each in self._plain()}
        found.setdefault(DEFAULT_ID, self._of(DEFAULT_ID, {}))
        stands = resolved(found.values())
        living = {id: replace(n, stands_for=stands.get(n.name, "")) for id, n in found.items() if not n.deleted}
        return {**found, **living}

    def add(self, name: str, colos: tuple[str, ...] | None, created: int) -> str:
        """There is a namespace of that name; its id, which nobody has had."""
        id = "~" + "".join(secrets.choice(_LETTERS) for _ in range(12))
        told: dict[str, Any] = {"name": name, "created": created, "founder": self._colo}
        if colos is not None:
            told["colos"] = dict.fromkeys(colos, True)
        self._system.put(NAMESPACES + id, told, strategy="json")
        return id

    def rename(self, id: str, name: str) -> None:
        """It is called so: of two that rename at once, the later."""
        self._system.json(NAMESPACES + id).at("/name").put(name)

    def delete(self, id: str) -> None:
        """It is gone, for ever."""
        self._system.json(NAMESPACES + id).at("/deleted").put(True)

    def host(self, id: str, colo: str) -> None:
        """That colo holds it too."""
        self._system.json(NAMESPACES + id).at(f"/colos/{colo}").put(True)

    def _plain(self) -> Iterator[Namespace]:
        for entry in self._system.scan(NAMESPACES):
            id = entry.key.removeprefix(NAMESPACES)
            if is_id(id) and isinstance(entry.value, dict):
                yield self._of(id, entry.value)

    def _of(self, id: str, told: dict[str, Any]) -> Namespace:
        """What another release may have written otherwise is left out, not trusted."""
        default = id == DEFAULT_ID
        name, created, where = told.get("name"), told.get("created"), told.get("colos")
        colos = tuple(sorted(filter(is_colo, where))) if isinstance(where, dict) and not default else None
        deleted = told.get("deleted") is True and not default
        founder = told.get("founder")
        return Namespace(
            id,
            name if is_name(name) else DEFAULT_NAME if default else "",  # type: ignore[arg-type]
            created if isinstance(created, int) and not default else 0,
            colos,
            not deleted and (colos is None or self._colo in colos),
            deleted,
            founder=founder if isinstance(founder, str) and is_colo(founder) else "",
        )  # fmt: skip
