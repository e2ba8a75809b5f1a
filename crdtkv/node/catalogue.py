"""The namespaces of a cluster, as cells of its system namespace.

One document a namespace: `namespace/~id` holds `name`, `created`, `founder`, `colos` (absent:
all), `at` (colo -> "leaving", "gone" or "here", for what was decided since) and, once it is
deleted, `deleted`. Its members merge one by one: who renames it and who deletes it at the same
time have both done so, and nothing takes a deletion back. The default namespace needs no cell
until it is renamed, so nobody who joins says anything of it. A colo that is about to leave the
whole cluster stands under `leaving/colo`, with the id that it had then: who comes after it is
another.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Set
from dataclasses import replace
from typing import Any

from crdtkv.core.views import colo_of
from crdtkv.node.naming import DEFAULT_ID, DEFAULT_NAME, Namespace, is_id, is_name, resolved
from crdtkv.store import door
from crdtkv.store.opening import is_colo
from crdtkv.store.store import Store

__all__ = ["LEAVING", "NAMESPACES", "PEERS", "Catalogue", "stays"]

NAMESPACES = "namespace/"
LEAVING = "leaving/"
PEERS = "peer/"
"""`peer/colo` in the system namespace: the URL at which it is reached, last write wins."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


class Catalogue:
    """What the system namespace `system` says of namespaces; of `colo`, which of them it holds."""

    def __init__(self, system: Store, colo: str) -> None:
        self._system = system
        self._colo = colo

    def read(self) -> dict[str, Namespace]:
        """Id -> namespace, the deleted ones too. O(namespaces)."""
        present, going = frozenset(map(colo_of, self._system.members)), self.going()
        found = {id: self._of(id, told, present, going) for id, told in self._plain()}
        found.setdefault(DEFAULT_ID, self._of(DEFAULT_ID, {}, present, going))
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

    def host(self, found: Namespace, colo: str) -> None:
        """That colo holds it too, also where it had been taken off."""
        document = self._system.json(NAMESPACES + found.id)
        if found.colos is not None and colo not in found.colos:
            document.at(f"/colos/{colo}").put(True)
        if colo in (*found.without, *found.leaving):
            self._say(found.id, colo, "here")

    def unhost(self, id: str, colo: str) -> None:
        """It is to be taken off that colo."""
        self._say(id, colo, "leaving")

    def gone(self, id: str, colo: str) -> None:
        """It was taken off that colo, which has nothing of it any more."""
        self._say(id, colo, "gone")

    def leave(self) -> None:
        """This colo is about to leave, with all that it holds."""
        self._system.put(LEAVING + self._colo, self._system.id, strategy="lww")

    def hide(self, colo: str) -> None:
        """Nobody is told any more where that colo is reached."""
        if PEERS + colo in self._system:
            self._system.delete(PEERS + colo)

    def _say(self, id: str, colo: str, what: str) -> None:
        """How it stands with that colo: the later of two that say so at once."""
        key = NAMESPACES + id
        if key not in self._system:
            self._system.put(key, {}, strategy="json")  # the default one, which nobody has said anything of
        document = self._system.json(key)
        told = self._system[key]
        if not isinstance(told, dict) or not isinstance(told.get("at"), dict):
            document.at("/at").put({})
        document.at(f"/at/{colo}").put(what)

    def going(self) -> frozenset[str]:
        """The colos that are about to leave the cluster, or have. O(members)."""
        members = self._system.members
        present = {colo_of(id): id for id in members}
        found = set()
        for entry in self._system.scan(LEAVING):
            colo, id = entry.key.removeprefix(LEAVING), entry.value
            own = colo == self._colo and id in door.replica(self._system).state.lineage
            if own or present.get(colo, id) == id:
                found.add(colo)
        return frozenset(found)

    def _plain(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for entry in self._system.scan(NAMESPACES):
            id = entry.key.removeprefix(NAMESPACES)
            if is_id(id) and isinstance(entry.value, dict):
                yield id, entry.value

    def _of(self, id: str, told: dict[str, Any], present: Set[str], going: Set[str]) -> Namespace:
        """What another release may have written otherwise is left out, not trusted."""
        default = id == DEFAULT_ID
        name, created, where, at = told.get("name"), told.get("created"), told.get("colos"), told.get("at")
        said = {c: w for c, w in at.items() if is_colo(c)} if isinstance(at, dict) else {}
        gone, here, leaving = ({c for c, w in said.items() if w == what} for what in ("gone", "here", "leaving"))
        colos = None
        if isinstance(where, dict) and not default:
            colos = tuple(sorted({*filter(is_colo, where), *here, *leaving} - gone))
        deleted = told.get("deleted") is True and not default
        founder = told.get("founder")
        found = Namespace(
            id,
            name if is_name(name) else DEFAULT_NAME if default else "",  # type: ignore[arg-type]
            created if isinstance(created, int) and not default else 0,
            colos,
            False,
            deleted,
            founder=founder if isinstance(founder, str) and is_colo(founder) else "",
            without=tuple(sorted(gone)),
            again=self._colo in here,
        )  # fmt: skip
        leaving |= going
        found = replace(found, leaving=tuple(sorted(filter(found.held_by, leaving))))
        own = self._colo
        stay = own not in leaving or not stays(found, present) - {own}
        return replace(found, hosted=found.held_by(own) and stay)


def stays(found: Namespace, present: Set[str]) -> set[str]:
    """Of the colos that are `present`, those that hold it and are to go on doing so. O(colos)."""
    return {colo for colo in present if found.held_by(colo) and colo not in found.leaving}
