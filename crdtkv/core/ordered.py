"""Many values behind all others of a sorted list at once, as an append of many elements comes.

Added one by one each is looked up, and takes ten times as long. `SortedList.update` is no quicker where they are few
beside those that are there. What is done here with the parts of a `SortedList` (sortedcontainers 2) leaves what `add`
of each leaves: pieces of up to twice its load, the greatest of each, and no index by place, which it makes anew when it
is asked for.
"""

from __future__ import annotations

from typing import Any

from sortedcontainers import SortedList

__all__ = ["put_behind"]


def put_behind(order: SortedList, values: list[Any]) -> bool:
    """`values`, sorted, are in `order`, if they are all greater than what is there; whether they are. O(values).

    >>> order = SortedList([1, 2]); put_behind(order, [3, 4]), put_behind(order, [4, 5]), order
    (True, False, SortedList([1, 2, 3, 4]))
    """
    lists: list[list[Any]] = order._lists
    if not lists or not values or values[0] <= lists[-1][-1]:
        return False
    load: int = order._load
    room = max(0, 2 * load - len(lists[-1]))
    pieces = [values[at : at + load] for at in range(room, len(values), load)]
    lists[-1] += values[:room]
    lists += pieces
    order._maxes[-1:] = [piece[-1] for piece in lists[-1 - len(pieces) :]]
    order._len += len(values)
    order._index.clear()
    return True
