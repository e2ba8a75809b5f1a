"""The strategies under test: each with its spec and the operations worth trying on it.

Small worlds collide: two keys, a handful of values, equal stamps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from crdtkv.core import values
from crdtkv.strategies.base import Operation
from crdtkv.strategies.merge import install
from tests.specs import counter, fields, flag, greatest, log, lww, merge, mv, words
from tests.specs import set as set_spec
from tests.specs.history import Event

STATES = ["open", "paid", "sent"]


def joined(base: Any, mine: Any, theirs: Any) -> Any:
    """A user's function that shows its bases and its order; not commutative on purpose."""
    if mine in (base, theirs):
        return theirs
    return mine if theirs == base else [base, mine, theirs]


install("joined", joined)


@dataclass(frozen=True)
class Case:
    spec: str
    value_of: Callable[[list[Event]], Any]
    operations: st.SearchStrategy[Operation]
    puts: st.SearchStrategy[Any]
    repeats: bool = True
    """Whether an operation said twice on an old base leaves as much as said once."""


def op(name: str, *args: st.SearchStrategy[Any]) -> st.SearchStrategy[Operation]:
    return st.tuples(*args).map(lambda drawn: Operation(name, drawn))


scalars = st.sampled_from([0, 1, 2, True, 1.0, "x", None])
numbers = st.integers(-3, 5)
elements = st.sampled_from(["x", "y", 1, 1.0, True])
texts = st.lists(st.sampled_from("abcd"), max_size=5).map(" ".join)
element_lists = st.lists(elements, max_size=3)
delete = op("delete")
some_elements = st.lists(elements, min_size=1, max_size=2).map(tuple)
set_operations = st.one_of(
    some_elements.map(lambda e: Operation("add", e)),
    some_elements.map(lambda e: Operation("remove", e)),
    op("put", element_lists),
    op("clear"),
    delete,
)
flag_operations = st.one_of(op("enable"), op("disable"), op("put", st.booleans()), delete)
counter_operations = st.one_of(
    op("add", numbers),
    st.sampled_from([Operation("add", (3, "k")), Operation("add", (-2, "m"))]),
    op("put", numbers),
    op("reset"),
    delete,
)
log_operations = st.one_of(
    st.lists(scalars, min_size=1, max_size=2).map(lambda e: Operation("append", tuple(e))),
    op("trim", st.integers(0, 6)),
    op("keep", st.integers(0, 3)),
    op("remove", st.integers(0, 2), st.integers(1, 2)),  # `run` makes it fit what is there
    op("put", st.lists(scalars, max_size=2)),  # what `run` puts after the entries shown at the base
    delete,
)

names = st.sampled_from("xy")
some_numbers = st.sampled_from([0, 1, 2, -3, 5])
steps_up = st.sampled_from([0, 1, 2, -3])
objects = st.dictionaries(names, some_numbers, max_size=2)
field_operations = st.one_of(
    st.lists(st.tuples(names, some_numbers), min_size=1, max_size=2).map(lambda p: Operation("set", sum(p, ()))),
    op("add", names, steps_up),
    op("add", names, steps_up),
    st.lists(names, min_size=1, max_size=2).map(lambda n: Operation("remove", tuple(n))),
    op("put", objects),
    op("clear"),
    delete,
)


def whole(total: Fraction) -> Any:
    return int(total) if total.denominator == 1 else float(total)


def register(puts: st.SearchStrategy[Any]) -> st.SearchStrategy[Operation]:
    return st.one_of(op("put", puts), op("put", puts), delete)


CASES = {
    case.spec: case
    for case in (
        Case("lww", lww.value, register(scalars), scalars),
        Case("mv", mv.value, register(scalars), scalars, repeats=False),
        Case("max", lambda e: greatest.value(e, values.sort_key), register(numbers), numbers),
        Case("min", lambda e: greatest.value(e, lambda v: -v), register(numbers), numbers),
        Case(
            "latch?order=open,paid,sent",
            lambda e: greatest.value(e, STATES.index),
            register(st.sampled_from(STATES)),
            st.sampled_from(STATES),
        ),
        Case("flag", lambda e: flag.value(e, True), flag_operations, st.booleans()),
        Case("flag?wins=disable", lambda e: flag.value(e, False), flag_operations, st.booleans()),
        Case("counter", counter.value, counter_operations, numbers),
        Case("set", lambda e: set_spec.value(e, True), set_operations, element_lists),
        Case("set?wins=remove", lambda e: set_spec.value(e, False), set_operations, element_lists),
        Case("hash", lambda e: fields.value(e, lambda v: v, whole), field_operations, objects),
        Case("zset", lambda e: fields.value(e, lambda v: v, whole), field_operations, objects),
        Case("log", log.value, log_operations, st.lists(scalars, max_size=2), repeats=False),
        Case("words", words.value, register(st.one_of(texts, texts, scalars)), texts),
        Case("words?wins=delete", lambda e: words.value(e, True), register(texts), texts),
        Case("merge:joined", lambda e: merge.value(e, joined), register(scalars), scalars, repeats=False),
    )
}


@dataclass(frozen=True)
class Step:
    """One thing that happens: an operation at a colo, or one colo absorbing another."""

    at: int
    operation: Operation | None
    source: int = 0
    ms: int = 0
    back: int = 0


def steps(case: Case, max_size: int = 10) -> st.SearchStrategy[list[Step]]:
    colo = st.integers(0, 2)
    edits = st.builds(Step, colo, case.operations, ms=st.integers(0, 6), back=st.sampled_from([0, 0, 0, 1, 2]))
    syncs = st.builds(Step, colo, st.none(), source=colo)
    return st.lists(st.one_of(edits, edits, syncs), max_size=max_size)
