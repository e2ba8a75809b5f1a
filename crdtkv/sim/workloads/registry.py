"""Workloads by name, and a user's own from a file."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from crdtkv.errors import BadRequest
from crdtkv.sim.workloads.base import Workload
from crdtkv.sim.workloads.cart import Cart
from crdtkv.sim.workloads.churn import Churn
from crdtkv.sim.workloads.counting import Counting
from crdtkv.sim.workloads.documents import Documents
from crdtkv.sim.workloads.lines import Lines
from crdtkv.sim.workloads.list_append import ListAppend
from crdtkv.sim.workloads.members import Members
from crdtkv.sim.workloads.put_list import PutList
from crdtkv.sim.workloads.registers import Registers
from crdtkv.sim.workloads.transactions import Transactions

__all__ = ["WORKLOADS", "find_workload"]

WORKLOADS: dict[str, type[Workload]] = {
    "list-append": ListAppend, "put-list": PutList, "cart": Cart, "set": Members, "counter": Counting,
    "json-doc": Documents, "register": Registers, "log-lines": Lines, "transactions": Transactions, "churn": Churn,
}  # fmt: skip


def find_workload(kind: str) -> type[Workload]:
    """The workload of that name, or the class that "path/to/file.py:Class" names. Raises BadRequest."""
    if kind in WORKLOADS:
        return WORKLOADS[kind]
    path, colon, name = kind.rpartition(":")
    if not colon or not path.endswith(".py"):
        raise BadRequest(f"no workload {kind!r}; there are {', '.join(WORKLOADS)}, or as 'mine.py:Mine'")
    spec = spec_from_file_location(Path(path).stem, path)
    assert spec is not None and spec.loader is not None, f"{path!r} ends with .py"
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        found = getattr(module, name)
    except Exception as error:
        raise BadRequest(f"workload {kind!r} cannot be loaded: {type(error).__name__}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Workload)):
        raise BadRequest(f"{kind!r} is {found!r:.80}; a class made of crdtkv.sim.Workload is wanted")
    return found
