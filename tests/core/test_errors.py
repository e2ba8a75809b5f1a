"""The tree of errors: what is drawn is what is there, and each error can be acted on."""

import copy
import inspect
import pickle
import re
from pathlib import Path

import pytest

from crdtkv import errors
from crdtkv.errors import CrdtkvError, all_errors

ROOT = Path(__file__).parent.parent.parent
FAMILIES = [errors.BadRequest, errors.Refused, errors.Unavailable, errors.Corrupt]
each_error = pytest.mark.parametrize("error", all_errors(), ids=lambda e: e.code)


def drawn() -> list[tuple[int, str]]:
    """(depth, name) of each line of the tree in the module's docstring."""
    lines = (errors.__doc__ or "").splitlines()
    tree = lines[lines.index("CrdtkvError") :]
    return [((len(line) - len(line.lstrip())) // 4, line.split()[0]) for line in tree if line.strip()]


def test_the_drawing_is_the_tree() -> None:
    """The docstring draws each class once, below its parent, in the order of all_errors()."""
    assert drawn() == [(len(error.__mro__) - len(CrdtkvError.__mro__), error.__name__) for error in all_errors()]


def test_all_errors_are_exported() -> None:
    """__all__ holds every class of the tree."""
    assert {error.__name__ for error in all_errors()} <= set(errors.__all__)
    here = {name for name, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, CrdtkvError)}
    assert here == {error.__name__ for error in all_errors()}


def test_codes_are_unique_and_named_after_their_class() -> None:
    """A code is its class's name in kebab-case: never two alike, never inherited by mistake."""
    codes = [error.code for error in all_errors()]
    assert len(set(codes)) == len(codes)
    for error in all_errors():
        assert error.code == re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=A)(?=[MS])", "-", error.__name__).lower()


@each_error
def test_each_error_can_be_acted_on(error: type[CrdtkvError]) -> None:
    """It says whether the write happened, has a status, a doc line and, below the root, a next step."""
    assert error.happened in ("no", "yes", "unknown")
    assert 400 <= error.status <= 599
    assert error.__doc__
    assert error is CrdtkvError or error.next_step
    assert error is CrdtkvError or (error.next_step[0].islower() and error.next_step[-1] != ".")


@each_error
def test_families_keep_their_promise(error: type[CrdtkvError]) -> None:
    """What is yours to fix or refused did not happen; what is yours to fix is a 4xx."""
    if issubclass(error, (errors.BadRequest, errors.Refused)):
        assert error.happened == "no"
    if issubclass(error, errors.BadRequest):
        assert error.status < 500
    if issubclass(error, (errors.Unavailable, errors.Corrupt)):
        assert error.status >= 500


@each_error
def test_errors_travel(error: type[CrdtkvError]) -> None:
    """An error keeps its words and its attributes when it is pickled or copied."""
    one = error("key 'a' is wrong")
    one.happened = "yes"
    for two in (pickle.loads(pickle.dumps(one)), copy.copy(one)):
        assert type(two) is error and two.message == str(two) == "key 'a' is wrong" and two.happened == "yes"


def test_each_error_but_the_root_is_of_one_family() -> None:
    """BadRequest, Refused, Unavailable and Corrupt share nothing and leave nothing out."""
    for error in all_errors()[1:]:
        assert sum(issubclass(error, family) for family in FAMILIES) == 1


def test_errors_carry_what_the_client_needs_to_go_on() -> None:
    """A refused base comes with the current version and value; one error may override its class."""
    old = errors.BaseTooOld("base a.1 is too old", version="a.9", value=[1])
    assert (old.version, old.value) == ("a.9", [1])
    assert errors.PreconditionFailed("no", version="a.9").version == "a.9"
    late = errors.BaseNotHere("late", happened="unknown", next_step="wait 2 s")
    assert (late.happened, late.next_step, errors.BaseNotHere.happened) == ("unknown", "wait 2 s", "no")


def test_every_error_is_raised_somewhere_or_is_a_branch() -> None:
    """What nobody raises nobody should prepare for."""
    rest = "\n".join(p.read_text() for p in (ROOT / "crdtkv").rglob("*.py") if p.parent.name != "errors")
    leaves = [e for e in all_errors() if not any(issubclass(o, e) and o is not e for o in all_errors())]
    assert len(leaves) > 25
    assert [e.__name__ for e in leaves if not re.search(rf"\b{e.__name__}\(", rest)] == []


def test_a_users_subclass_is_not_part_of_the_tree() -> None:
    """docs/errors.md is printed from the tree: it must not depend on who else subclassed."""

    class Mine(errors.Refused):
        """A user's own."""

    assert Mine not in all_errors()
