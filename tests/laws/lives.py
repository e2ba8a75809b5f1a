"""Time, rules, disks and members: what operators and accidents do."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.laws.actions import HOUR_MS
from tests.laws.disks import Colo, FileDisk
from tests.laws.ground import Ground
from tests.laws.operations import JSON_PATHS, SPECS, spec_of

__all__ = ["Lives"]


class Lives(Ground):
    """Clocks jump, rules change; processes die, disks are wiped and restored; colos leave and are evicted."""

    def do_day(self, colo: Colo, dice: Random) -> None:
        self.now_ms += 13 * HOUR_MS

    def do_skew(self, colo: Colo, dice: Random) -> None:
        colo.skew = dice.choice((0, -200, 300, -5000, 5000, 59_000, 70_000, -HOUR_MS, HOUR_MS, 3 * 365 * 24 * HOUR_MS))

    def do_rule(self, colo: Colo, dice: Random) -> None:
        spec = dice.choice([spec_of(k) for k in self.keys])
        pick = dice.random()
        self.counts["operations"] += 1
        if pick < 0.3:
            colo.store.rules.set("clash*", dice.choice(SPECS), ttl=dice.choice(("max", "min")))
        elif pick < 0.6:
            options = {"paths": JSON_PATHS} if spec.startswith("json") and self.ruled else {}
            colo.store.rules.set(f"{spec.split('?')[0]}#*", spec.split("?")[0] if "latch" not in spec else spec,
                                 ttl=dice.choice(("max", "min")), keep_cells=dice.choice((2, 64)),
                                 **options)  # fmt: skip
        elif pick < 0.8:
            colo.store.rules.set(f"{spec}", spec, keep_hours=dice.choice((0.0, 1.0)))
        else:
            colo.store.rules.remove("clash*")

    def do_migrate(self, colo: Colo, dice: Random) -> None:
        colo.store.rules.migrate("clash*", dry_run=dice.random() < 0.2)

    # disks and members

    def do_restart(self, colo: Colo, dice: Random) -> None:
        disk = colo.disk
        colo.store.close()
        self._open(colo, disk if self.folder is None else FileDisk(disk.path))

    def do_crash(self, colo: Colo, dice: Random) -> None:
        """The process ends where it stands: what is on the disk is what was committed."""
        backup = self._backup(colo)
        colo.store.close()
        self._open(colo, self._restored(colo, backup, elsewhere=False))

    def do_wipe(self, colo: Colo, dice: Random) -> None:
        colo.store.close()
        self._open(colo, self._disk(colo.name))

    def do_copy(self, colo: Colo, dice: Random) -> None:
        """A backup is made, for a later `restore`."""
        colo.backup = self._backup(colo)

    def do_restore(self, colo: Colo, dice: Random) -> None:
        """An old copy takes the place of the store: over its file or elsewhere, with or without its witness."""
        if colo.backup is None:
            return
        backup, colo.backup = colo.backup, None
        colo.store.close()
        elsewhere, bare = dice.random() < 0.4, dice.random() < 0.3
        if bare:
            self._unnote(colo)
        self._open(colo, self._restored(colo, backup, elsewhere))

    def _unnote(self, colo: Colo) -> None:
        if self.folder is None:
            self.witness.pop(colo.disk.place, None)
        else:
            Path(f"{colo.disk.path}-witness").unlink(missing_ok=True)

    def do_leave(self, colo: Colo, dice: Random) -> None:
        if len(colo.store.members) > 2:
            colo.store.leave()

    def do_evict(self, colo: Colo, dice: Random) -> None:
        if len(colo.store.members) > 2:
            colo.store.evict(self._peer(colo, dice).name)

    def do_resolve(self, colo: Colo, dice: Random) -> None:
        for fork in colo.store.forks:
            colo.store.resolve(dice.choice(fork))
