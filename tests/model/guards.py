"""The rules whose breaking somebody must notice, and the switch that breaks them.

`on(guard)` is true unless the guard is in `BROKEN`. The oracle never runs broken: while it reads, `WHOLE` is not
empty.
"""

__all__ = ["BROKEN", "WHOLE", "GUARDS", "on"]


BROKEN: set = set()


WHOLE = []  # not empty while the oracle reads: its own definition is never broken


GUARDS = {
    "join-first": "a catch-up is joined before its floor purges",
    "purge-first": "a record is preceded by its writer's purge floor",
    "whole-cell": "a cell is dropped whole, never a tombstone alone",
    "announced-n": "S needs every n that was announced with its low",
    "announced-retired": "S needs every member to have announced all that is absorbed here of retired incarnations",
    "catch-up-from": "a catch-up is absorbed only where its `from` is covered",
    "record-deps": "a record waits for what it builds on",
    "put-absent-all": "a put to what reads as absent replaces all siblings, whatever its base",
    "delete-absent-nothing": "a delete of what reads as absent writes nothing",
    "group-ship": "a catch-up ships every cell below a cell it sends",
    "recreate-tombstones": "creating an absent container tombstones every cell present below it",
    "mark-over-hider": "a write below a hider that its base covers also writes a mark in its place",
    "group-whole": "a hidden container is dropped with all below it or not at all",
    "leaf-drop-hidden": "a leaf of nothing but tombstones is dropped also inside a hidden container",
    "tombstone-is-no-edit": "only a live sibling outside every hider revives",
    "shown-child": "only a child that is itself shown revives its container",
    "move-is-no-edit": "an order cell revives nothing",
    "life-context": "the write that starts a life replaces the key context",
    "life-clears": "the write that starts a life tombstones what still stands under every root of the key",
    "context-join": "contexts join as siblings do, not by max",
    "context-dropped": "the key context goes with the last cell",
    "sweep-applied": "a record's sweep takes what its `seen` covers",
    "sweep-first": "a record's sweeps come before its other writes",
    "sweep-seen": "a sweep takes no more than its `seen` covers",
    "sweep-all": "a sweep replaces every earlier sweep at its cell, whatever its base",
    "order-with-element": "an order cell goes with its element, not before",
    "order-ships": "a catch-up that sends an element sends its order cell, or that there is none",
    "order-recreated": "a put to an absent element replaces its order cell",
    "rank-replaces": "lww and max replace all that ranks lower here",
    "counter-max": "an add replaces all siblings of the own cell and carries the max of each",
    "counter-cancel": "what a create or clear finds in a counter it cancels: no tombstone over another's cell",
    "counter-restart": "an own counter cell starts above every total this replica ever dropped",
    "once-origin": "a once cell is folded by its lowest first writer, however often it was rewritten",
    "once-reset-folded": "a reset tombstones a once cell that it sees folded",
    "once-stable": "a once cell is folded only when every sibling is at or below S",
    "expiry-judged-once": "expiry is judged at the stamp of the write",
    "expiry-clears": "a write to a key whose date has passed tombstones what the date hides, and the date",
    "expiry-purge-S": "a purge judges expiry by S, not by the clock",
    "history-lives": "a version covers what a life that it covers has replaced",
    "history-life-floor": "a life says the floor it began under: what was stamped below that, it replaced",
    "history-lives-squashed": "a life that comes by catch-up has replaced all that the context here lost by it",
    "history-by-all": "a superseded sibling is replaced by every sibling that names it, also those that arrive later",
    "history-purged": "a sibling that arrives where something was purged replaces that in history",
    "history-trim": "trimming raises the horizon",
    "history-gaps": "a version inside a gap is not rebuilt",
    "history-gap-parents": "a new sibling that names a parent never absorbed here opens a gap",
    "history-gap-sweeps": "a new sweep whose `seen` was not absorbed here opens a gap",
    "history-by-dot": "what a catch-up replaced is replaced by the dots that name it, not only by the context after",
    "ttl-ships-key": "a catch-up that sends the ttl cell sends every cell of the key",
    "ttl-last": "the ttl cell stays while a json document of the key stays",
    "only-members": "records and catch-ups from who is not a member here are refused",
    "vouched": "a catch-up is taken from who counts me and was admitted, through whatever sponsors, by a member I know",
    "from-covers-F": "a peer that lacks some of F gets a full join",
    "restart-vector": "the first record after an open carries the whole vector",
    "stamp-ceiling": "a clock reopens above the ceiling reserved on disk",
    "rename-after-crash": "an uncleanly closed `normal` store takes a new incarnation",
    "copy-remints-nothing": "a restored copy mints nothing of its past anew",
    "retire-unknown": "a join retires every lower incarnation by name, known or not",
    "join-clock": "a joiner's clock starts above its joining stamp",
    "remint-waits": "re-minting waits until every member has spoken under a vector that covers the joining dot",
    "remint-waits-evictions": "and that covers every membership change known here",
    "remint-base": "what is minted anew keeps its base",
    "remint-F": "what is minted anew where its base lacks some of F and the cell is absent goes to the inbox",
    "out-sponsor": "who joined through a sponsor that was evicted before anyone heard of it is out",
    "refuse-losers": "what has absorbed an eviction that a resolution names is refused where that was not absorbed",
    "out-losers": "after a resolution the side that absorbed the losing eviction is out, not the other",
    "out-sponsor-chain": "where a sponsor is unknown, its own sponsor decides",
    "out-retired": "a sponsor is retired at x where x covers its joining dot and does not count it: not where unknown",
    "fork-known": "stores that refuse each other compare chains and know of a fork",
    "fork-stops-purge": "an unresolved fork stops purging",
    "fork-no-return": "nobody returns while a fork is unresolved",
    "heard-promise": "nothing is stamped at or below a stamp this replica has spoken",
}


def on(guard):
    return guard not in BROKEN or bool(WHOLE)
