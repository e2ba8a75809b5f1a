"""The client: a namespace at a colo over HTTP, with the methods and types of a Store.

Rule of this room: what is asked and what an answer means stands once, in `asking` and `caring`, without I/O;
`blocking` (threads) and `waiting` (event loops) only carry it: `calls` names for both what they carry. Errors are the store's own. To read it: `steps`,
`talk`, `asking`, then one of the two.
"""

from crdtkv.client.connecting import aconnect, connect

__all__ = ["aconnect", "connect"]
