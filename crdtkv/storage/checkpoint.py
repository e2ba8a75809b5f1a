"""The checkpoint: what was changed since the last one goes into the tables, sorted and in bulk, a step at a time.

Law of this room: a step is a transaction of its own, and small; it writes what is
committed now. What is changed while a checkpoint runs belongs to the next one. The journal
is trimmed of what was in it when the checkpoint began. What a step wrote is let go of when
it is committed, and not before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping

from crdtkv.storage.journal import Journal

__all__ = ["AT_ONCE", "JOURNAL_BYTES", "STEP_ROWS", "Checkpoint"]

JOURNAL_BYTES = 8 << 20
"""Where the journal is longer each commit makes a step."""

STEP_ROWS = 200
"""How many keys a step writes: some 5 ms."""

AT_ONCE = 100
"""Steps behind one commit, unless the journal is 64 times as long as it should be: who takes in a million rows at once
leaves most of them to those who commit next, and to who keeps the tables fresh."""

_Unit = tuple[str, str]


class Checkpoint:
    """What the tables do not have yet, and how far the running checkpoint is.

    `lacking` are the units that the tables lack, by kind; `begin` begins a transaction; `write` puts
    units into the tables, and gives what is to be called once that is committed: they lack them no
    more. `undone` is called when it is not.
    """

    def __init__(
        self, db: sqlite3.Connection, journal: Journal, lacking: Mapping[str, Collection[str]],
        begin: Callable[[], None], write: Callable[[list[_Unit]], Callable[[], None]], undone: Callable[[], None],
    ) -> None:  # fmt: skip
        self._db, self._journal, self._begin, self._write_units, self._undone = db, journal, begin, write, undone
        self._lacking = lacking
        self._left: list[_Unit] = []
        """Of the checkpoint that runs, what was dirty when it began and was not looked at yet, the next one last."""
        self._upto = 0
        self.torn = False
        """An interrupt came where a step may be committed, and not all of it is let go of."""

    def follow(self, count: int) -> None:
        """After a commit of `count` rows: as many steps as it takes to keep up with such commits, if any is due.

        (What was begun for those who read the tables goes on at their pace.)
        """
        for done in range(1 + count // STEP_ROWS):
            if self._journal.size > (JOURNAL_BYTES if done < AT_ONCE else 64 * JOURNAL_BYTES):
                self.step()

    def catch_up(self) -> bool:
        """A step, if there is anything the tables do not have; whether there still is."""
        if self._behind():
            self.step()
        return self._behind()

    def _behind(self) -> bool:
        return bool(self._left) or any(self._lacking.values())

    def step(self) -> None:
        """Write a few. O(STEP_ROWS). What fails leaves all as it was, and is tried again."""
        if not self._left:
            self._left = sorted(((kind, name) for kind in self._lacking for name in self._lacking[kind]), reverse=True)
            self._upto = self._journal.last
        units = [(kind, name) for kind, name in self._left[-STEP_ROWS:] if name in self._lacking[kind]]
        self._write(units, len(self._left) <= STEP_ROWS)
        del self._left[-STEP_ROWS:]

    def finish(self) -> None:
        """All of it, now: the journal is empty after."""
        before: tuple[int, ...] = ()
        while any(left := (sum(map(len, self._lacking.values())), len(self._left), self._journal.size)):
            assert left != before, "a checkpoint that gets nowhere"
            before = left
            self.step()

    def _write(self, units: list[_Unit], last: bool) -> None:
        self._begin()
        try:
            wrote = self._write_units(list(reversed(units)))
            if last:
                self._journal.trim(self._upto)
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
        self.torn = False
