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
    "catch-up-from": "a catch-up is absorbed only where its `from` is covered",
    "record-deps": "a record waits for what it builds on",
    "put-absent-all": "a put to what reads as absent replaces all siblings, whatever its base",
    "delete-absent-nothing": "a delete of what reads as absent writes nothing",
    "group-ship": "a catch-up ships every cell below a cell it sends",
    "recreate-tombstones": "creating an absent container tombstones every cell present below it",
    "value-ends-below": "a value put where a container was ends what is below",
    "mark-over-hider": "a write below a hider that its base covers also writes a mark in its place",
    "purge-on": "a purge goes on until nothing more goes",
    "purge-again": "what a transaction changed is looked at again",
    "floor-announced": "the floor is the least low that the members have announced, not the own",
    "group-whole": "a hidden container is dropped with all below it or not at all",
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
    "order-ship": "a catch-up ships the order cell of an element it ships",
    "order-settled": "an order cell that is left waits while a sweep that may have taken its element is not stable",
    "sweep-orders": "a sweep leaves a tombstone in the order cells that are left of what it takes",
    "order-recreated": "a put to an absent element replaces its order cell",
    "rank-replaces": "lww and max replace all that ranks lower here",
    "counter-max": "an add replaces all siblings of the own cell and carries the max of each",
    "counter-cancel": "what a create or clear finds in a counter it cancels: no tombstone over another's cell",
    "counter-restart": "an own counter cell starts above every total this replica ever dropped",
    "counter-restart-joined": "be it here, or where a catch-up comes from",
    "once-reset-folded": "a reset tombstones a once cell that it sees folded",
    "once-stable": "a once cell is folded only when every sibling is at or below S",
    "expiry-judged-once": "expiry is judged at the stamp of the write",
    "expiry-clears": "a write to a key whose date has passed tombstones what the date hides, and the date",
    "expiry-purge-S": "a purge judges expiry by S, not by the clock",
    "history-lives": "a version covers what a life that it covers has replaced",
    "history-life-floor": "a life says the floor it began under: what was stamped below that, it replaced",
    "history-life-whole": "and all that was known here, where nothing is left standing",
    "history-by-all": "a superseded sibling is replaced by every sibling that names it, also those that arrive later",
    "history-trim": "trimming raises the horizon",
    "history-gaps": "a version inside a gap is not rebuilt",
    "history-gap-parents": "a new sibling that names a parent never absorbed here opens a gap",
    "history-gap-sweeps": "a new sweep whose `seen` was not absorbed here opens a gap",
    "history-by-sweep": "so is a sweep that covers it",
    "history-floors": "what the writers of what a version knows had purged is no part of it",
    "history-gap-floor": "a catch-up from who has purged, or that takes away what it does not name, opens a gap",
    "history-new-life": "history begins again where a life began in a catch-up",
    "life-last": "the sweep of a new life is dropped after the edits of a document whose container it took",
    "expiry-settled": "a date above S hides nothing from a purge",
    "ttl-ships-key": "a catch-up that sends the ttl cell sends every cell of the key",
    "ttl-last": "the ttl cell stays while a json document of the key stays",
    "only-members": "a record is taken from members only",
    "accepts-mine": "a catch-up is taken from whom I accept",
    "accepts-theirs": "and who accepts me",
    "accepts-sponsor": "who is unknown stands and falls with the first of its sponsors that is known",
    "accepts-unknown": "known is whose joining is covered: not to know somebody is not to have retired him",
    "accepts-overruled": "who has absorbed an act that was overruled is not accepted, nor becomes so",
    "one-per-colo": "a colo has one member, the id added later; who is another is not accepted",
    "stands": "what would leave its receiver out is not absorbed",
    "facts-changes": "the floor waits until all know of the same changes of members",
    "facts-retired": "and have absorbed the same of those who are none",
    "yields-evicted": "who accepts one that refuses it returns",
    "yields-overruled": "so does whose acts were all overruled there",
    "yields-undone": "an eviction falls with the act it was decided after",
    "joined-above": "who joined or came back stamps above the clock of whom it met, a mended clock too",
    "copy-silent": "a copy says and writes nothing before it has met a member",
    "copy-renames": "then it takes a new id",
    "copy-sponsored": "which that member makes one: what was announced under the old one it may know no more",
    "copy-inbox": "and mints nothing of its past anew",
    "word-durable": "who comes back from a power cut knows no less than it announced",
    "remint-durable": "nor less than what it had minted anew",
    "mend-low": "a store whose clock was mended stamps above every low it announced",
    "from-covers-F": "a peer that lacks some of F gets a full join",
    "restart-vector": "the first record after an open carries the whole vector",
    "remint-waits": "what is minted anew waits until the members agree",
    "remint-chain": "what it was minted anew from may stand already where it returns to",
    "remint-base": "and replaces what its writer had seen, no more",
    "remint-later": "where a later value stands it goes to the inbox",
    "remint-removed": "where it was removed, too, if removes win",
    "remint-F": "and where its base lacks some of F and the cell is absent",
    "remint-beside": "or what stood beside it stands no more",
    "heard-promise": "nothing is stamped at or below a stamp this replica has spoken",
}


def on(guard):
    return guard not in BROKEN or bool(WHOLE)
