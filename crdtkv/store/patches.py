"""JSON patches: RFC 6902 by the jsonpatch library, RFC 7396 in ten lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crdtkv.core import values
from crdtkv.core.show import show
from crdtkv.errors import PatchInvalid, PatchTestFailed
from crdtkv.strategies.base import ABSENT

__all__ = ["MAX_OPERATIONS", "difference", "patched"]

MAX_OPERATIONS = 10_000


def patched(key: str, value: Any, patch: Sequence[Any] | Mapping[str, Any]) -> Any:
    """`value` with `patch` applied: a list is RFC 6902, a dict RFC 7396. Raises PatchInvalid,
    PatchTestFailed, naming what failed.

    Where there is nothing yet (ABSENT) a dict makes an object; a list has to begin with the whole document.

    >>> patched("k", [1, 2], [{"op": "add", "path": "/-", "value": 3}])
    [1, 2, 3]

    Neither of the two given is changed. Cost: O(value + patch), and what each operation costs in Python.
    """
    values.pack(patch)
    if isinstance(patch, Mapping):
        return _merged(value, patch)
    if not isinstance(patch, list | tuple):
        raise PatchInvalid(f"patch of {key!r} is {show(patch)}; a list (RFC 6902) or an object (RFC 7396) is allowed")
    if len(patch) > MAX_OPERATIONS:
        raise PatchInvalid(f"patch of {key!r} has {len(patch)} operations; at most {MAX_OPERATIONS}")
    if value is ABSENT and not _is_whole(patch[:1]):
        raise PatchInvalid(
            f"there is no {key!r} to patch; put it, or begin with {{'op': 'add', 'path': '', 'value': ...}}",
            next_step="put the document first",
        )
    import jsonpatch

    # Copied once: what is put in is changed by the operations that follow.
    value, operations = values.copy(value), values.copy(patch)
    for number, operation in enumerate(operations):
        try:
            value = jsonpatch.JsonPatch([operation]).apply(value, in_place=True)
        except jsonpatch.JsonPatchTestFailed:
            _check_test(key, number, value, operation)
        except Exception as error:
            # The library raises its own, KeyError and TypeError for what a client can send.
            raise PatchInvalid(
                f"operation {number} of the patch of {key!r}, {show(operation)}, failed: {error}"
            ) from error
        else:
            if operation.get("op") == "test":
                _check_test(key, number, value, operation)
    return value


def _is_whole(first: Sequence[Any]) -> bool:
    """Whether the first operation adds the whole document."""
    return any(isinstance(o, Mapping) and o.get("op") == "add" and o.get("path") == "" for o in first)


def _check_test(key: str, number: int, value: Any, operation: Mapping[str, Any]) -> None:
    """The library compares as Python does; 1, 1.0 and true are three values."""
    import jsonpointer

    path, wanted = operation["path"], operation.get("value")
    found = jsonpointer.resolve_pointer(value, path, ABSENT)
    if isinstance(found, jsonpointer.EndOfList):
        found = ABSENT
    if found is ABSENT or not values.equal(found, wanted):
        there = "there is nothing" if found is ABSENT else f"it is {show(found)}"
        words = f"operation {number} of the patch of {key!r} tests that {path!r} is {show(wanted)}; {there}"
        raise PatchTestFailed(words)


def _merged(value: Any, patch: Mapping[str, Any]) -> Any:
    out = dict(value) if isinstance(value, dict) else {}
    for name, new in patch.items():
        if new is None:
            out.pop(name, None)
        else:
            out[name] = _merged(out.get(name), new) if isinstance(new, Mapping) else new
    return out


def difference(old: Any, new: Any) -> list[dict[str, Any]]:
    """The JSON patch that makes `new` of `old`; where there is something that JSON lacks, a blob, all is replaced."""
    import jsonpatch

    try:
        return list(jsonpatch.make_patch(old, new))
    except TypeError:
        return [] if values.equal(old, new) else [{"op": "replace", "path": "", "value": new}]
