"""The checkpoint: what was changed since the last one goes into the tables, sorted and in bulk, a step at a time.

Law of this room: a step is a transaction of its own, and small, or some that are due at once are one; it writes
what is committed now, once the journal is synced. What is changed while a checkpoint runs belongs to
the next one. The journal begins anew where it was when the checkpoint began. What a step wrote
is let go of when it is committed, and not before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping
from typing import Any

from crdtkv.storage.journal import Journal

__all__ = ["AT_ONCE", "JOURNAL_BYTES", "STEP_ROWS", "TOGETHER", "UNTOLD", "Checkpoint"]

JOURNAL_BYTES = 16 << 20
"""Where the journal is longer a checkpoint begins; it is done where the journal is as long again."""

STEP_ROWS = 80
"""How much a step writes, as many keys of one cell: some 2 ms, in which who writes waits."""

TOGETHER = 16
"""Steps that are one transaction, where nobody is let in between them: those behind a large commit, or at the end. Two
transactions write each page twice that has rows of both, and sync twice."""

_TIDY_STEPS = 4
"""After so many SQLite's own log goes into the file, some 1 MB: a step of its own, no longer than another."""

AT_ONCE = 250
"""Steps behind one commit, unless the journal is 64 times as long as it should be: who takes in a million rows at once
leaves most of them to those who commit next, and to who keeps the tables fresh."""

UNTOLD = "untold"
"""A unit: what the views tell of a large key, by itself."""

_Unit = tuple[str, str]


class Checkpoint:
    """What the tables do not have yet, and how far the running checkpoint is.

    `lacking` are the units that the tables lack, by kind, `untold` the keys that views tell of later (UNTOLD);
    `weigh` says how many keys of one cell a unit is as much as; `begin` begins a transaction; `write` puts units into
    the tables, and gives what is to be called once that is committed: they lack them no more; and whether that is all
    of the last one, or a piece of it: `halfway` says how much of one is left. `say` writes where the journal begins.
    `undone` is called when it is not committed. `tidy` brings SQLite's own log into the file: not by itself in the
    middle of a commit, for what is in the file is not in its log any more.
    """

    def __init__(
        self, db: sqlite3.Connection, journal: Journal, lacking: Mapping[str, Collection[str]],
        untold: Mapping[str, None], weigh: Callable[[_Unit], int], halfway: Callable[[], float],
        begin: Callable[[], None], write: Callable[[list[_Unit]], tuple[Callable[[], None], bool]],
        say: Callable[[Any], None], undone: Callable[[], None], tidy: Callable[[], None],
    ) -> None:  # fmt: skip
        self._db, self._journal, self._begin, self._write_units, self._undone = db, journal, begin, write, undone
        self._weigh, self._halfway, self._say, self._tidy = weigh, halfway, say, tidy
        self._lacking, self._untold = lacking, untold
        self._left: list[_Unit] = []
        """Of the checkpoint that runs, what was dirty when it began and was not looked at yet, the next one last."""
        self._began = 0, 0
        """How many that were, and how long the journal was then."""
        self._keeps = 0
        """The generation of the journal that is needed still when it is done."""
        self._untidy = 0
        """Steps since SQLite's own log went into the file."""
        self.owed = 0
        """Rows of a commit whose steps are not done; 0: none is due."""
        self.torn = False
        """An interrupt came where a step may be committed, and not all of it is let go of."""

    def leave(self, count: int) -> None:
        """After a commit of `count` rows: it leaves the steps that are due for later, once the last one's are done."""
        self.pay()
        self.owed = count if self._journal.size > JOURNAL_BYTES else 0

    def pay(self) -> None:
        """The steps that a commit has left, if nobody has done them yet."""
        owed, self.owed = self.owed, 0
        if owed:
            self.follow(owed)

    def follow(self, count: int) -> None:
        """After a commit of `count` rows: as many steps as it takes to keep up with such commits, if any is due.

        (What was begun for those who read the tables goes on at their pace.)
        """
        due, done = 1 + count // STEP_ROWS, 0
        while done < due:
            if self._journal.size <= (JOURNAL_BYTES if done < AT_ONCE else 64 * JOURNAL_BYTES) or self._ahead():
                return
            done += self.step(min(due - done, TOGETHER))

    def _ahead(self) -> bool:
        """Whether a checkpoint runs that is further than it has to be: made at once, it would hold up all who write."""
        units, size = self._began
        grown = self._journal.size - size
        left = len(self._left) - 1 + self._halfway()
        return bool(self._left) and left * JOURNAL_BYTES < units * (JOURNAL_BYTES - grown)

    def catch_up(self) -> bool:
        """A step, if there is anything the tables do not have, or the views do not tell; whether there still is."""
        if self._behind():
            self.step()
        else:
            self.tell()
        return self._behind() or bool(self._untold)

    def tell(self) -> None:
        """What views tell of one large key, if there is any untold, is what the tables have. O(its value)."""
        for key in self._untold:
            self._write([(UNTOLD, key)], False)
            return

    def _behind(self) -> bool:
        return bool(self._left) or any(self._lacking.values())

    def step(self, many: int = 1) -> int:
        """Write as much as in so many steps, or tidy up behind some that did; as how many steps that counts.

        O(many * STEP_ROWS). What fails leaves all as it was, and is tried again.
        """
        if self._untidy >= _TIDY_STEPS:
            self._tidy()
            self._untidy = 0
            return 1
        if not self._left:
            left = sorted(((kind, name) for kind in self._lacking for name in self._lacking[kind]), reverse=True)
            self._keeps = self._journal.turn()
            self._left, self._began = left, (len(left), self._journal.size)
        units, weight, at = [], 0, len(self._left)
        while at and weight < many * STEP_ROWS:
            at -= 1
            kind, name = self._left[at]
            if name in self._lacking[kind]:
                units.append((kind, name))
                each = self._weigh((kind, name))
                weight += each
                if each > STEP_ROWS:
                    break  # of that maybe a piece is written: nothing goes with it that would come behind
        whole = self._write(units, not at)
        done = min(many, 1 + weight // STEP_ROWS)
        self._untidy += done
        del self._left[at if whole else at + 1 :]
        return done

    def finish(self) -> None:
        """All of it, now: the journal is empty after."""
        before: tuple[float, ...] = ()
        while any(left := (sum(map(len, self._lacking.values())), len(self._left), self._journal.size)):
            if self._untidy < _TIDY_STEPS:  # (who tidies up writes none of it)
                assert (*left, self._halfway()) != before, "a checkpoint that gets nowhere"
                before = *left, self._halfway()
            self.step(TOGETHER)
        for _ in list(self._untold):
            self.tell()

    def _write(self, units: list[_Unit], last: bool) -> bool:
        """Whether all of them are written. `last`: then the tables have all that this checkpoint is to bring."""
        self._begin()
        try:
            wrote, whole = self._write_units(units)
            last = last and whole
            self._say(self._journal.begin_at(self._keeps) if last else self._journal.begin_still())
            self._journal.sync()
            self.torn = True
            self._db.execute("COMMIT")
        except BaseException as error:
            undone = self._db.in_transaction or isinstance(error, sqlite3.Error)
            self.torn = self.torn and not undone
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._undone()
            raise
        wrote()
        if last:
            self._journal.drop(self._keeps)
        self.torn = False
        return whole
