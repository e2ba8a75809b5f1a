"""What was kept, removed and inserted between two sequences.

"Which elements of the old list are these?" The fewest edits that explain the new
list, where that can be had in time; fewer kept than could be, where not. Never
the wrong thing kept: what is matched is equal, and in order.

In turn: common ends are cut off; a few edits are found at once (Myers, An O(ND)
Difference Algorithm, 1986); elements that only one side has are set aside; where
all that is left is distinct, the longest increasing run is the answer; more edits
(Myers again, up to MAX_EDITS); and beyond that the sequences are cut at elements
that are unique in both (Cohen's patience diff) and, between the cuts, compared
window by window. Each step is bounded, so the whole is. Equal input gives equal
output, on every machine.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence

__all__ = ["MAX_EDITS", "Block", "match"]

Block = tuple[int, int, int]
"""`(i, j, length)`: a[i:i+length] is kept as b[j:j+length]."""

MAX_EDITS = 300  # found minimal, whatever the lists; the cost grows with its square
_FEW = 12  # edits that are looked for before any other preparation
_WINDOW = 32  # edits per window, beyond MAX_EDITS
_MAX_WORK = 150_000  # steps on windows; then nothing more is kept


def match(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Block]:
    """The blocks that stay, in order, each as long as it can be.

    The edits are the fewest possible if they are at most MAX_EDITS, or if neither
    side repeats an element that both have. Elements match as in a dict: by hash and ==.
    Cost: O(n) for a few edits (10,000 elements and 3 edits: 1 ms), O(n log n) where
    elements are distinct, and at worst some 80 ms for 10,000.

    >>> match("abcdef", "abXdeYf")
    [(0, 0, 2), (3, 3, 2), (5, 6, 1)]
    """
    a, b = list(a), list(b)
    head = _equal_run(a, 0, b, 0)
    rest_a, rest_b = a[head:], b[head:]
    tail = _equal_run(rest_a[::-1], 0, rest_b[::-1], 0)
    end_a, end_b = len(rest_a) - tail, len(rest_b) - tail
    middle = _middle(rest_a[:end_a], rest_b[:end_b])
    blocks = [(0, 0, head), *((head + i, head + j, n) for i, j, n in middle), (head + end_a, head + end_b, tail)]
    return _merged(blocks)


def _merged(blocks: list[Block]) -> list[Block]:
    """The same matches with the empty blocks dropped and neighbours joined."""
    out: list[Block] = []
    for i, j, n in blocks:
        if out and out[-1][0] + out[-1][2] == i and out[-1][1] + out[-1][2] == j:
            i, j, n = out[-1][0], out[-1][1], out[-1][2] + n
            out.pop()
        if n:
            out.append((i, j, n))
    return out


def _middle(a: list[Hashable], b: list[Hashable]) -> list[Block]:
    """The matches of what lies between common ends."""
    if not a or not b:
        return []
    blocks, done, _ = _myers(a, b, 0, 0, _FEW)
    if done == len(a):
        return blocks
    # What one side only has is removed or inserted in any case.
    in_a, in_b = set(a), set(b)
    kept_a = [i for i, item in enumerate(a) if item in in_b]
    kept_b = [j for j, item in enumerate(b) if item in in_a]
    number = {item: n for n, item in enumerate(in_a & in_b)}
    found = _shared([number[a[i]] for i in kept_a], [number[b[j]] for j in kept_b])
    return [(kept_a[i + k], kept_b[j + k], 1) for i, j, n in found for k in range(n)]


def _shared(a: list[int], b: list[int]) -> list[Block]:
    """The matches of sequences that have the same elements."""
    count_a, count_b = Counter(a), Counter(b)
    if len(count_a) == len(a) and len(count_b) == len(b):
        return _increasing(a, b, {item: j for j, item in enumerate(b)})
    blocks, i, j = _myers(a, b, 0, 0, MAX_EDITS)
    if (i, j) == (len(a), len(b)):
        return blocks
    unique_in_b = {item: j for j, item in enumerate(b) if count_a[item] == count_b[item] == 1}
    out: list[Block] = []
    work = _MAX_WORK
    start_a = start_b = 0
    for anchor in [*_increasing(a, b, unique_in_b), (len(a), len(b), 0)]:
        # What leads up to an anchor is taken first: windows that come from afar may pass it by.
        tail = _equal_run(a[start_a : anchor[0]][::-1], 0, b[start_b : anchor[1]][::-1], 0)
        end_a, end_b = anchor[0] - tail, anchor[1] - tail
        region_a, region_b = a[start_a:end_a], b[start_b:end_b]
        i = j = 0
        while i < len(region_a) and j < len(region_b) and work > 0:
            was = i + j
            blocks, i, j = _myers(region_a, region_b, i, j, _WINDOW)
            out += [(start_a + x, start_b + y, n) for x, y, n in blocks]
            edits = i + j - was - 2 * sum(n for _, _, n in blocks)
            work -= edits * edits // 2 + len(blocks) + 1
        out += [(end_a, end_b, tail), anchor]
        start_a, start_b = anchor[0] + anchor[2], anchor[1] + anchor[2]
    return out


def _increasing(a: list[int], b: list[int], places: dict[int, int]) -> list[Block]:
    """The longest matching of the elements of `a` that have a place in `b`, each once. O(n log n)."""
    lasts: list[int] = []  # the least place in b that a run of each length can end at
    ends: list[int] = []  # and where in a that is
    before: dict[int, int] = {}
    for i, item in enumerate(a):
        j = places.get(item, -1)
        if j >= 0:
            length = bisect_left(lasts, j)
            if length == len(lasts):
                lasts.append(j)
                ends.append(i)
            else:
                lasts[length], ends[length] = j, i
            before[i] = ends[length - 1] if length else -1
    out: list[Block] = []
    at = ends[-1] if ends else -1
    while at >= 0:
        out.append((at, places[a[at]], 1))
        at = before[at]
    return out[::-1]


def _myers(a: Sequence[Hashable], b: Sequence[Hashable], i: int, j: int, limit: int) -> tuple[list[Block], int, int]:
    """The matches of a[i:] and b[j:] with at most `limit` edits, and how far they reach in both.

    Where `limit` does not suffice: as far as it leads. O(limit**2 + matches).
    """
    n, m = len(a) - i, len(b) - j
    # reach[k]: how far in a the best path on diagonal k (x - y) has come; -1 on either side.
    zero = limit + 1
    reach = [-1] * (2 * limit + 3)
    reach[zero + 1] = 0
    trace: list[list[int]] = []
    for d in range(limit + 1):
        trace.append(reach[:])
        for k in range(-d + 2 * max(0, d - m), d - 2 * max(0, d - n) + 1, 2):
            up, over = reach[zero + k + 1], reach[zero + k - 1] + 1
            x = up if k == -d or (k != d and over <= up) else over
            y = x - k
            if x < n and y < m and a[i + x] == b[j + y]:
                x += _equal_run(a, i + x, b, j + y)
                y = x - k
            reach[zero + k] = x
            if x >= n and y >= m:
                return _traced(trace, zero, d, k, x, i, j), i + n, j + m
    # The furthest in both together has the most matches. What stepped over a border is none.
    inside = (k for k in range(-limit, limit + 1, 2) if 0 <= reach[zero + k] <= n and reach[zero + k] - k <= m)
    k = max(inside, key=lambda k: (2 * reach[zero + k] - k, -abs(k), k))
    x = reach[zero + k]
    return _traced(trace, zero, limit, k, x, i, j), i + x, j + x - k


def _traced(trace: list[list[int]], zero: int, d: int, k: int, x: int, i: int, j: int) -> list[Block]:
    """The matches on the path that came to x on diagonal k with d edits."""
    out: list[Block] = []
    for edits in range(d, -1, -1):
        reach = trace[edits]
        up, over = reach[zero + k + 1], reach[zero + k - 1] + 1
        down = k == -edits or (k != edits and over <= up)
        start = up if down else over
        out.append((i + start, j + start - k, x - start))
        k, x = (k + 1, up) if down else (k - 1, over - 1)
    return [block for block in reversed(out) if block[2]]


def _equal_run(a: Sequence[Hashable], i: int, b: Sequence[Hashable], j: int) -> int:
    """How many elements from a[i] and b[j] on are equal. Long runs are compared in slices, at C speed."""
    room = min(len(a) - i, len(b) - j)
    n = 0
    while n < room and n < 8:
        if a[i + n] != b[j + n]:
            return n
        n += 1
    size, grows = 16, True
    while size:
        if size <= room - n and a[i + n : i + n + size] == b[j + n : j + n + size]:
            n += size
            size = size * 2 if grows else size // 2
        else:
            grows = False
            size //= 2
    return n
