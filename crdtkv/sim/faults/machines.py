"""Machines that go down and come back, stand still, lose their disks, are put back as they were, or are voted out."""

from __future__ import annotations

from crdtkv.core.envelope import VERSION
from crdtkv.errors import CrdtkvError
from crdtkv.sim.colo import Colo
from crdtkv.sim.faults.base import Fault
from crdtkv.sim.files import Laid
from crdtkv.sim.reading import colos
from crdtkv.store.store import Store

__all__ = ["Crash", "Evict", "OfColos", "Pause", "Restart", "Restore", "Versions", "Wipe"]


class OfColos(Fault):
    """A fault of some colos: those named, or up to a few that are drawn."""

    OPTIONS = {"colos": (colos, None)}
    MOST = 1

    def begin(self, until_us: int) -> None:
        self.at = self.colos(most=self.MOST)
        self.where = tuple(colo.name.upper() for colo in self.at)
        for colo in self.at:
            self.one(colo)

    def one(self, colo: Colo) -> None:
        """It begins at that colo."""
        raise NotImplementedError


class Crash(OfColos):
    """The power goes: what the disk had not synced is lost. It comes back when the fault ends."""

    def one(self, colo: Colo) -> None:
        if colo.up:
            lost = colo.crash()
            if lost and colo.disk.durability != "full":
                self.world.disk_lost(colo)
                self.words += f" {colo.name.upper()} lost {lost} commits"

    def end(self) -> None:
        for colo in self.at:
            if not colo.up:
                colo.start()


class Restart(OfColos):
    """The process is ended and begun again; its disk keeps all that was committed."""

    def one(self, colo: Colo) -> None:
        colo.stop()

    def end(self) -> None:
        for colo in self.at:
            if not colo.up:
                colo.start()


class Pause(OfColos):
    """The process stands still; what comes meanwhile waits, and is taken all at once."""

    def one(self, colo: Colo) -> None:
        colo.paused = True

    def end(self) -> None:
        for colo in self.at:
            colo.paused = False
            colo.resume()


class Wipe(OfColos):
    """The disk is lost; it comes back with an empty one, and joins anew."""

    def one(self, colo: Colo) -> None:
        colo.stop()
        self.world.disk_lost(colo)
        colo.disk.close()
        colo.disk = self.world.new_disk(colo.name)

    def end(self) -> None:
        for colo in self.at:
            if not colo.up:
                colo.start()


class Restore(OfColos):
    """A backup is taken, and laid over the store when the fault ends: what it wrote since is known to others only."""

    def begin(self, until_us: int) -> None:
        super().begin(until_us)
        self.words = "an old backup is put back in the end"

    def one(self, colo: Colo) -> None:
        self.backups = {**getattr(self, "backups", {}), colo.name: colo.disk.copy()}

    def end(self) -> None:
        for colo in self.at:
            backup = self.backups[colo.name]
            if backup.place == colo.disk.place:  # else that disk is gone meanwhile
                colo.stop()
                self.world.disk_lost(colo)
                colo.disk = backup.reopened(colo.disk) if isinstance(backup, Laid) else backup
                colo.start()


class Evict(OfColos):
    """An operator at another colo evicts it, as if it were gone for ever; it finds out when it is heard again."""

    def one(self, colo: Colo) -> None:
        others = [each for each in self.world.colos.values() if each.up and not each.paused and each is not colo]
        if not others:
            return
        by = others[0]
        self.words = f"by {by.name.upper()}"
        by.call(lambda store: self._evict(store, colo.name), lambda durable: None)

    def _evict(self, store: Store, name: str) -> None:
        try:
            store.evict(name)
        except CrdtkvError as error:
            self.words += f", refused: {error.code}"


class Versions(OfColos):
    """Some colos run a later release, which speaks a later version of the wire; the others understand it."""

    OPTIONS = {"colos": (colos, None)}
    MOST = 100

    def one(self, colo: Colo) -> None:
        self._again(colo, VERSION + 1)

    def end(self) -> None:
        for colo in self.at:
            self._again(colo, VERSION)

    def _again(self, colo: Colo, version: int) -> None:
        colo.version = version
        if colo.up:
            colo.stop()
            colo.start()
