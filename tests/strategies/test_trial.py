"""The trial of a strategy that nobody knows: ours pass, and one that is wrong is found, and by which law."""

from typing import Any, ClassVar

import pytest

from crdtkv.core import values
from crdtkv.core.tree import Tree
from crdtkv.errors import UnknownStrategy, ValueInvalid
from crdtkv.strategies import registry
from crdtkv.strategies.base import ABSENT, Env, Operation, Strategy, Write
from crdtkv.strategies.lww import Lww
from crdtkv.strategies.mv import Mv
from crdtkv.strategies.registry import strategy
from crdtkv.trial import running
from tests.strategies.cases import CASES

OURS = [*CASES, "list", "json", "json?wins=delete", "json?strings=words"]


@pytest.mark.parametrize("spec", OURS)
def test_ours_keep_every_law(spec: str) -> None:
    verdicts = running.run(spec, worlds=30, seed=7)
    assert [v for v in verdicts if not v.kept] == []
    assert all(v.tried >= 10 for v in verdicts), verdicts


@pytest.mark.parametrize("spec", OURS)
def test_what_it_takes_is_found_by_trying(spec: str) -> None:
    """Each of its operations that a client can send with plain values."""
    chosen = strategy(spec)
    found = {wish.name for wish in running.wishes(chosen, [*running.SAMPLES, "open", "paid", "sent"])}
    assert found >= chosen.operations.keys() - {"at"}


class _Wrong(Lww):
    def __init__(self, **options: str) -> None:
        super().__init__(**options)


class Wraps(_Wrong):
    """Every second put puts something else."""

    name = "wraps"

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        if operation.name == "put" and env.n % 2 == 0:
            operation = Operation("put", ([operation.args[0]],))
        return super().edit(tree, operation, env)


class Piles(Mv):
    """Every put stays."""

    name = "piles"

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        if operation.name == "put":
            return [Write(b"v%d\x00" % env.n + env.replica.encode(), values.pack(operation.args[0]))]
        return super().edit(tree, operation, env)


class Stays(_Wrong):
    """A delete is none."""

    name = "stays"

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        return [] if operation.name == "delete" else super().edit(tree, operation, env)


class Shares(_Wrong):
    """Its readings are one object."""

    name = "shares"
    _known: ClassVar[dict[bytes, Any]] = {}

    def read(self, tree: Tree) -> Any:
        found = super().read(tree)
        return found if found is ABSENT else self._known.setdefault(values.pack(found), found)


class Trusts(_Wrong):
    """It believes that whatever stands there is a number."""

    name = "trusts"

    def read(self, tree: Tree) -> Any:
        found = super().read(tree)
        return found if found is ABSENT else found + 0

    def norm(self, value: Any) -> Any:
        return value


class Drifts(_Wrong):
    """A reading hangs on how often it was read."""

    name = "drifts"
    _times = 0

    def read(self, tree: Tree) -> Any:
        type(self)._times += 1
        found = super().read(tree)
        return found if found is ABSENT else [self._times]


class Silent(_Wrong):
    """It does not say its anomaly."""

    name = "silent"
    anomaly = ""


class Buries(_Wrong):
    """A purge takes what stands."""

    name = "buries"

    def dead(self, tree: Tree, candidates: Any, floor: int) -> Any:
        return list(candidates) if floor else []


class Raises(_Wrong):
    """Now and then an error of its own."""

    name = "raises"

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        if env.n > 2:
            raise ZeroDivisionError("by n")
        return super().edit(tree, operation, env)


@pytest.mark.parametrize(
    ("wrong", "law", "words"),
    [
        (Wraps, "what was put is what is read", "reads"), (Piles, "said twice weighs as said once", "siblings"),
        (Stays, "what is deleted leaves nothing", "after a delete"), (Shares, "a reading is a fresh object", "spoilt"),
        (Trusts, "foreign payloads break nothing", "raise TypeError"),
        (Drifts, "any order of arrival gives the same", "read"),
        (Silent, "it says what it is", "anomaly is ''"), (Buries, "a purge changes no reading", "a purge makes"),
        (Raises, "what was put is what is read", "raised ZeroDivisionError: by n"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(wrong: type[Strategy], law: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {wrong.name: wrong})
    registry.strategy.cache_clear()
    samples = [1, 2] if wrong is Trusts else []
    broken = {v.law: v.words for v in running.run(wrong.name, worlds=60, samples=samples) if not v.kept}
    registry.strategy.cache_clear()
    assert words in broken[law], broken


def test_what_is_none_is_refused() -> None:
    with pytest.raises(UnknownStrategy):
        running.run("nope")
    with pytest.raises(ValueInvalid, match="latch"):
        running.run("latch?order=open,paid", samples=["sent"])


def test_the_same_seed_tries_the_same() -> None:
    def words(seed: int) -> list[str]:
        return [f"{v.law} {v.tried}" for v in running.run("log", worlds=20, seed=seed)]

    assert words(3) == words(3)
