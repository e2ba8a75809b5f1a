"""The stories of `tests/stories`, told over HTTP: every command at a colo is a client's, the rest is as it was.

Each colo says word for word what it says when it is asked directly: values, versions, errors, what happened.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import crdtkv
from crdtkv.node.waiting import Waiting
from crdtkv.server.app import create_app
from tests.client.conftest import Bridge, Loop
from tests.stories import teller
from tests.test_stories import STORIES

HERE_ONLY = {
    "case-34-transactions": "a transaction of a client reads nothing that it wrote",
    "case-56-two-halves-evict-each-other": "a session of before names a life of c that no other colo knows any more",
}


class Alone:
    """A node that is one store: what serves it asks no more of it."""

    guarded = leaving = False

    def __init__(self, store: crdtkv.Store) -> None:
        self.colo, self.waiting, self.system, self._store = store.colo, Waiting(), store, store

    def store(self, name: str) -> crdtkv.Store:
        return self._store

    def stores(self) -> dict[str, crdtkv.Store]:
        return {self._store.namespace: self._store}

    def namespaces(self) -> list[Any]:
        return [SimpleNamespace(name="default", id=self._store.namespace)]


class Afar(teller.Colo):
    """The commands at one colo, by a client of it; how many cells it holds is not said over HTTP."""

    def __init__(self, world: Served, colo: str) -> None:
        super().__init__(world, colo)
        self.here = self.store
        self.store: Any = world.client(self.here)

    def do_cells(self, key: str) -> str:
        return str(len(self.here._replica.storage.cells(key)))


class Served(teller.World):
    """A world whose colos are served, each from when it is asked first."""

    def __init__(self, folder: Path, loop: Loop) -> None:
        super().__init__(folder)
        self._loop = loop
        self._served: dict[crdtkv.Store, tuple[Any, crdtkv.Client]] = {}

    def client(self, store: crdtkv.Store) -> crdtkv.Client:
        if store not in self._served:
            app = create_app(Alone(store))  # type: ignore[arg-type]
            # What each command is made against it says itself, or means what is there now.
            kv = crdtkv.connect("http://colo", remember=0, tries=1, transport=Bridge(app, self._loop))
            self._served[store] = (app, kv)
        return self._served[store][1]

    def _at(self, colo: str) -> teller.Colo:
        super()._at(colo)
        return Afar(self, colo)

    def __exit__(self, *exc: object) -> None:
        for app, kv in self._served.values():
            kv.close()
            self._loop.call(app.stop)
        super().__exit__(*exc)


@pytest.mark.parametrize("path", [path for path in STORIES if path.stem not in HERE_ONLY], ids=lambda path: path.stem)
def test_a_story_over_http(path: Path, tmp_path: Path, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "World", lambda folder: Served(folder, loop))
    monkeypatch.setattr(crdtkv, "open", partial(crdtkv.open, namespace="~default"))  # by id, as a node has it
    assert teller.tell(path.read_text(), tmp_path) == path.read_text()
