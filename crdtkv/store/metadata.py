"""Metadata: a JSON value about a key, of the key's last write, for the doors of Workers KV and for exports.

Law of this room: it is a value of its own, of two concurrent ones the later, under a system key beside the key,
written in the key's transaction; and it is shown only while nothing that shows in the key was written later. So a
write or a delete by whoever knows nothing of metadata leaves none that is not true any more: to the key it is a put
without metadata. (It is of strategy mv, of which the latest shows: so who takes it away with the key takes no more
than he had seen of either. What is left where there is no key any more, `store.maintenance` takes away.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crdtkv.core.clocks import Stamp
from crdtkv.core.keys import METADATA
from crdtkv.replica import leaf
from crdtkv.strategies.base import ABSENT, Operation

if TYPE_CHECKING:
    from crdtkv.replica.core import Replica
    from crdtkv.store.results import Entry
    from crdtkv.store.transaction import Transaction

__all__ = ["beside", "metadata_of", "put_metadata"]


def put_metadata(t: Transaction, key: str, metadata: Any) -> None:
    """`key`, which was put or deleted in this transaction, has that metadata; None: none. O(metadata).

    >>> import crdtkv; kv = crdtkv.open(colo="lhr")
    >>> with kv.transaction() as t:
    ...     _ = t.put("a", 1); put_metadata(t, "a", {"by": "ann"})
    >>> metadata_of(kv._replica, "a")
    {'by': 'ann'}
    """
    where, draft = METADATA + key, t._open
    if metadata is None:
        if draft.replica.storage.cells(where):
            draft.operate(where, Operation("delete"))
    elif leaf.put(draft, where, metadata, "mv") is None:
        draft.operate(where, Operation("put", (metadata,)), None, "mv")


def metadata_of(replica: Replica, key: str) -> Any:
    """The metadata of `key`; None for none. With the store's lock. O(n), O(1) if none was put."""
    if not replica.storage.cells(METADATA + key):
        return None
    shown, found = replica.shown(key), replica.shown(METADATA + key)
    if shown is None or found is None or _newest(found) < _newest(shown):
        return None
    value = found[0].read(found[1])
    return None if value is ABSENT else value


def beside(replica: Replica, page: Sequence[Entry]) -> dict[str, Any]:
    """Key -> metadata, of those of a page that have some. With the store's lock. O(those, and as `metadata_of`)."""
    if not page:
        return {}
    first, last = min(page[0].key, page[-1].key), max(page[0].key, page[-1].key)
    some = [key.removeprefix(METADATA) for key in replica.storage.keys(METADATA + first, METADATA + last + "\0")]
    found = {key: metadata_of(replica, key) for key in some}
    return {key: metadata for key, metadata in found.items() if metadata is not None}


def _newest(root: Any) -> Stamp:
    found, tree = root
    return max((s.stamp for s in found.standing(tree)), default=0)
