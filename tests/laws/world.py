"""Four colos over the real engine, a network that loses, doubles and delays, and checks after every step.

Law of this room: what happens is a list of actions `(kind, colo, dice)`, plain data drawn
from a seed; each action resolves its numbers against what is there. So a failure
replays from its seed, and a list of actions can be shrunk.

What is checked, where (each has its own kind in `KINDS`):

- `visible`: equal vectors mean equal values and key contexts, now and at any earlier time;
- `digest`: equal (vector, floor) means equal digests;
- `oracle`: the records that a vector covers, applied one by one without purges (shadow.py), read the same;
- `spec`: so does the plain definition over the history of operations (tests/specs);
- `put-get`: a put on a current base reads as its normal form;
- `history`: the value at a version is what it was when it was read, or an error that says why not;
- `check`, `exception`, `refusal`: the store's own invariants; only errors of the tree; a refusal changed nothing;
- `twice`: no dot is minted twice; `converge`, `weight`: after healing all agree, and what was deleted weighs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from crdtkv.core.clocks import stamp_ms
from crdtkv.core.keys import SYSTEM
from crdtkv.errors import BadRequest, Corrupt, CrdtkvError
from crdtkv.replica import members
from tests.laws.actions import CLIENT, COLOS, IGNORED, KINDS, PROFILES, START_MS, Action, Failure, plan
from tests.laws.checks import Checks
from tests.laws.clients import Clients
from tests.laws.ground import synced
from tests.laws.lives import Lives
from tests.laws.network import Network
from tests.laws.views import pairs

__all__ = ["IGNORED", "KINDS", "PROFILES", "Action", "Failure", "World", "plan", "run"]


class World(Clients, Network, Lives, Checks):
    """A world and its end."""

    def step(self, action: Action) -> None:
        self.now_ms += 1 + action.dice % self.pace
        self.say(f"-- {action.kind} {COLOS[action.at]} ms={self.now_ms - START_MS}")
        dice = Random(action.dice)
        colo = self.colos[action.at]
        self.before = self._state_of(colo)
        try:
            getattr(self, f"do_{action.kind}")(colo, dice)
        except Failure:
            raise
        except (Corrupt, AssertionError) as error:
            raise Failure("exception", f"{action}: {error!r}") from error
        except CrdtkvError as error:
            self.refusals[f"{action.kind}: {error.code}"] += 1
            if isinstance(error, BadRequest) and action.kind not in CLIENT:
                raise Failure("exception", f"{action}: {error!r}") from error
            # (A store whose clock was mended takes a new name before it looks at what is asked.)
            renamed = colo.store.id != self.before[0]
            if action.kind in CLIENT[:7] and self._state_of(colo) != self.before and not renamed:
                raise Failure("refusal", f"{action} said {error!r} and changed something") from error
        except Exception as error:
            raise Failure("exception", f"{action}: {error!r}") from error
        finally:
            self.expected = ()
        self._look_at_all()

    # the end

    def finish(self) -> None:
        """Heal; require that all agree; delete everything; require that nothing is left."""
        self.heal()
        self._specs()
        for colo in self.colos:
            self.check(colo)
            for reads in self.reads.values():
                for read in reads:
                    self._read_again(colo, read)
        self.forget()
        for colo in self.colos:
            self.check(colo)

    def heal(self) -> None:
        """All messages are lost, all clocks are right, everybody meets everybody."""
        self.box.clear()
        # Above every stamp there is: a clock that was years ahead has been mended.
        stamps = [r.stamp for _, r, _ in self.records.values()]
        latest = stamp_ms(max(*(c.replica.state.clock for c in self.colos), *stamps))
        for colo in self.colos:
            colo.skew = 0
        self.now_ms = max(self.now_ms, latest) + 2_000
        for colo in self.colos:
            if colo.replica.state.left:
                self.do_wipe(colo, Random(0))  # who left for good comes back as somebody new
        for _ in range(12):
            for a, b in pairs(self.colos):
                self._try(lambda a=a, b=b: synced(a.store, b.store))
                self._look_at_all()
            self._resolve()
            self._let_go()
            if self._agree():
                return
        self.now_ms += 1
        words = {
            c.name: (c.store.id, c.store.vector, c.store.members, c.store.forks, len(c.replica.state.pending))
            for c in self.colos
        }
        raise Failure("converge", f"not after 12 rounds of all with all: {words}")

    def _agree(self) -> bool:
        vectors = [c.store.vector for c in self.colos]
        live = all(c.store.id in o.store.members for c in self.colos for o in self.colos)
        open_ends = any(c.replica.state.pending or c.store.forks for c in self.colos)
        return live and all(v == vectors[0] for v in vectors) and not open_ends

    def _resolve(self) -> None:
        for colo in self.colos:
            for fork in colo.store.forks:
                known = {link.id for link in members.chain_links(colo.replica)}
                mine = [link for link in fork if link in known]
                if mine and colo.store.id in colo.store.members and fork[0] in mine:
                    self._try(lambda colo=colo, link=fork[0]: colo.store.resolve(link))
                    self._look_at_all()
                    return

    def _let_go(self) -> None:
        """Of a namespace only copies are left: at one an operator says that the others are lost, so that it goes on."""
        for colo in self.colos:
            states = [c.replica.state for c in self.colos]
            alive = {state.namespace for state in states if not state.copied}
            if colo.replica.state.copied and colo.replica.state.namespace not in alive:
                for id in colo.store.members:
                    self._try(lambda colo=colo, id=id: colo.store.evict(id))
                self._look_at_all()

    def _try(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except Failure:
            raise
        except (BadRequest, Corrupt) as error:
            raise Failure("exception", f"while healing: {error!r}") from error
        except CrdtkvError as error:
            self.refusals[f"heal: {error.code}"] += 1
        except Exception as error:
            raise Failure("exception", f"while healing: {error!r}") from error

    def forget(self) -> None:
        """Every key is deleted; after purges nothing of it weighs anything anywhere."""
        first = self.colos[0]
        for key in list(first.store.keys()):
            first.store.delete(key)
        self._look_at_all()
        for _ in range(5):
            self.now_ms += 60_000
            for a, b in pairs(self.colos):
                synced(a.store, b.store)
            for colo in self.colos:
                colo.store.compact()
            self._look_at_all()
        for colo in self.colos:
            left = {k: dict(colo.disk.cells(k)) for k in colo.disk.keys("\x01", None)}
            if left:
                raise Failure("weight", f"{colo.name}: all was deleted and purged, and there is still {left}")
            contexts = [k for k in colo.disk.bare_contexts() if k[:1] != SYSTEM]
            if contexts:
                raise Failure("weight", f"{colo.name}: contexts without cells: {contexts}")
            alive = len(colo.disk.cells(members.MEMBERS))
            if alive != len(colo.store.members):
                raise Failure("weight", f"{colo.name}: {alive} cells for {len(colo.store.members)} members")


def run(
    seed: int, profile: str, steps: int, folder: Path | None = None, actions: list[Action] | None = None,
    story: list[str] | None = None,
) -> World:  # fmt: skip
    """A whole run: the actions, healing, forgetting. Raises Failure. `folder`: stores are files there."""
    world = World(seed, profile, folder)
    world.story = story
    try:
        for action in plan(seed, profile, steps) if actions is None else actions:
            world.step(action)
        world.finish()
    except Failure as failure:
        failure.counts = world.counts
        raise
    finally:
        world.close()
    return world
