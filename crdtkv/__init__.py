"""crdtkv: an eventually consistent key-value store in which you choose, per key, how concurrent writes merge.

>>> import crdtkv
>>> lhr, sin = crdtkv.open(colo="lhr"), crdtkv.open(colo="sin")
>>> r = lhr.put("todo", [1, 2, 3, 4, 5, 6, 7], strategy="json")
>>> _ = lhr.sync(sin)
>>> _ = lhr.put("todo", [1, 2, 3, 4, 6, 7], base=r.version)           # without 5
>>> _ = sin.put("todo", [1, 2, 3, 4, 5, 6, 7, 8, 9], base=r.version)  # with 8 and 9
>>> _ = lhr.sync(sin)
>>> lhr["todo"] == sin["todo"] == [1, 2, 3, 4, 6, 7, 8, 9]
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crdtkv import errors
    from crdtkv.client.blocking import Client
    from crdtkv.client.connecting import aconnect, connect
    from crdtkv.client.protocol import KeyValue
    from crdtkv.client.waiting import AsyncClient
    from crdtkv.core.blob import Blob
    from crdtkv.errors import (
        BadRequest,
        BaseNotHere,
        BaseTooOld,
        Corrupt,
        CrdtkvError,
        PreconditionFailed,
        Refused,
        Unavailable,
    )
    from crdtkv.registration import register_merge
    from crdtkv.store.opening import open_store as open
    from crdtkv.store.receipt import Receipt
    from crdtkv.store.results import Blame, Change, Conflict, Entry, Migration, Page, Revision, SyncReport
    from crdtkv.store.store import Store
    from crdtkv.store.transaction import Transaction
    from crdtkv.store.watching import Feed
    from crdtkv.strategies.registry import register

__all__ = [
    "AsyncClient", "BadRequest", "BaseNotHere", "BaseTooOld", "Blame", "Blob", "Change", "Client", "Conflict",
    "Corrupt", "CrdtkvError", "Entry", "Feed", "KeyValue", "Migration", "Page", "PreconditionFailed", "Receipt",
    "Refused", "Revision", "Store", "SyncReport", "Transaction", "Unavailable", "aconnect", "connect", "errors", "open",
    "register", "register_merge",
]  # fmt: skip

__version__ = "0.1.0"

# Loaded when first asked for: the command line shows its help without them.
_ROOMS = {
    "client.blocking": ["Client"],
    "client.connecting": ["aconnect", "connect"],
    "client.protocol": ["KeyValue"],
    "client.waiting": ["AsyncClient"],
    "core.blob": ["Blob"],
    "errors": [
        "BadRequest", "BaseNotHere", "BaseTooOld", "Corrupt", "CrdtkvError", "PreconditionFailed", "Refused",
        "Unavailable",
    ],
    "registration": ["register_merge"],
    "store.opening": ["open"],
    "store.receipt": ["Receipt"],
    "store.results": ["Blame", "Change", "Conflict", "Entry", "Migration", "Page", "Revision", "SyncReport"],
    "store.store": ["Store"],
    "store.transaction": ["Transaction"],
    "store.watching": ["Feed"],
    "strategies.registry": ["register"],
}  # fmt: skip
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("crdtkv.errors")
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'crdtkv' has no attribute {name!r}")
    found = getattr(import_module(f"crdtkv.{_ROOM_OF[name]}"), "open_store" if name == "open" else name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
