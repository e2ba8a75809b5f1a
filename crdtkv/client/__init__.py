"""The client: a namespace at a colo over HTTP, with the methods and types of a Store.

Rule of this room: what is asked and what an answer means stands once, in `asking` and `caring`, without I/O;
`blocking` (threads) and `waiting` (event loops) only carry it, and `calls` names for both what that is. Errors are the
store's own. To read it: `steps`, `talk`, `asking`, `calls`, then one of the two.
"""

from crdtkv.client.connecting import aconnect, connect

__all__ = ["aconnect", "connect"]
