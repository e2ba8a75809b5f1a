"""Commands that write a key: put, delete, expire, patch, append, add, remove, incr, revert."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crdtkv.cli.door import Taking, on_store, warn
from crdtkv.cli.options import (
    Base,
    ContentType,
    IfVersion,
    Key,
    Keys,
    Patch,
    Pointer,
    Source,
    StrategySpec,
    Text,
    Value,
    Values,
)  # fmt: skip

if TYPE_CHECKING:
    from crdtkv import KeyValue, Receipt
    from crdtkv.cli.output import Printer

__all__ = ["add_to"]

_COLUMNS = ("key", "strategy", "version", "value")
_Once = Annotated[
    str | None, typer.Option("--once", metavar="ID", help="Tried again under the same id, it is done once.")
]


def _read_value(value: str | None, file: Path | None, text: bool = False, content_type: str | None = None) -> Any:
    from crdtkv.cli.words import one_value

    return one_value(value, file, text, content_type)


def _read_some(values: list[str] | None, file: Path | None, text: bool) -> list[Any]:
    from crdtkv.cli.words import several_values

    return several_values(values, file, text)


def _read_values(values: list[str] | None, file: Path | None, text: bool) -> list[Any]:
    if not values and file is None:
        raise typer.BadParameter("give a VALUE, or --file FILE, or '-' for stdin", param_hint="VALUE...")
    found = _read_some(values, file, text)
    if not found:
        warn(f"{'stdin' if file is None else repr(str(file))} holds no value; nothing was written")
        raise typer.Exit
    return found


_FILE = ("file", Source, None)
_TEXT = ("text", Text, False)
_VALUE = Taking("value", (("value", Value, None), _FILE, _TEXT, ("content_type", ContentType, None)), _read_value)
_VALUES = Taking("values", (("values", Values, None), _FILE, _TEXT), _read_values)
_SOME = Taking("values", _VALUES.parameters, _read_some)
_PATCH = Taking("patch", (("value", Patch, None), _FILE), _read_value)


def add_to(app: typer.Typer) -> None:
    """The commands of this room."""
    put = "crdtkv put todo '[1, 2, 3]'\ncrdtkv put logo --file a.gif --type image/gif"
    on_store(app, "put", put, makes=True, taking=_VALUE)(_put)
    on_store(app, "delete", "crdtkv delete todo")(_delete)
    on_store(app, "expire", "crdtkv expire session/7 3600\ncrdtkv expire session/7 never")(_expire)
    patch = """crdtkv patch page '{"title": "Hats", "draft": null}'"""
    on_store(app, "patch", patch, makes=True, taking=_PATCH)(_patch)
    on_store(app, "append", "crdtkv append todo 8 9", makes=True, taking=_VALUES)(_append)
    on_store(app, "add", "crdtkv add tags red green", makes=True, taking=_VALUES)(_add)
    remove = "crdtkv remove tags red\ncrdtkv remove todo --index 0"
    on_store(app, "remove", remove, taking=_SOME)(_remove)
    on_store(app, "incr", "crdtkv incr hits\ncrdtkv incr hits -5", makes=True)(_incr)
    on_store(app, "revert", "crdtkv revert todo ~1")(_revert)


def _put(
    kv: "KeyValue", out: "Printer", key: Key, value: Any,
    base: Base = None, strategy: StrategySpec = None,
    ttl: Annotated[float | None, typer.Option("--ttl", metavar="SECONDS", help="It is gone after this long.")] = None,
    if_version: IfVersion = None,
    if_absent: Annotated[bool, typer.Option("--if-absent", help="Only if there is no such key here.")] = False,
    once: _Once = None,
) -> None:  # fmt: skip
    """Put a value under a key.

    It is merged with what others did since the base, the version that you had read. Raw: the new version.
    """
    from crdtkv.cli.words import version_of

    if if_absent and if_version is not None:
        raise typer.BadParameter("give --if-absent or --if-version, not both", param_hint="--if-absent")
    base, if_version = version_of(kv, key, base), version_of(kv, key, if_version)
    condition: dict[str, Any] = {"if_version": if_version} if if_absent or if_version is not None else {}
    receipt = kv.put(key, value, base=base, strategy=strategy, ttl=ttl, idempotency_key=once, **condition)
    _wrote(out, receipt)


def _delete(
    kv: "KeyValue", out: "Printer", keys: Keys, base: Base = None,
    if_version: IfVersion = None,
) -> None:  # fmt: skip
    """Delete keys, as far as you have seen them.

    All in one transaction. What was written to them elsewhere meanwhile stands.
    """
    from crdtkv.cli.words import version_of

    if len(keys) > 1 and (base is not None or if_version is not None):
        raise typer.BadParameter("a version is of one key; name one KEY with it", param_hint="KEY...")
    base, if_version = version_of(kv, keys[0], base), version_of(kv, keys[0], if_version)
    condition: dict[str, Any] = {} if if_version is None else {"if_version": if_version}
    with kv.transaction() as t:
        there = [key for key in keys if key in t]
        receipts = [t.delete(key, base=base, **condition) for key in keys]
    gone = ({"key": receipt.key, "version": receipt.version} for receipt in receipts if receipt.key in there)
    out.rows(["key", "version"], gone, ["version"])
    for key in keys:
        if key not in there:
            warn(f"there was no {key!r}")


def _expire(
    kv: "KeyValue", out: "Printer", key: Key,
    after: Annotated[
        str, typer.Argument(metavar="SECONDS", show_default=False, help="It is gone after so long; 'never': it stays.")
    ],
) -> None:  # fmt: skip
    """Say how long a key stays.

    Raw: when it goes, in milliseconds since 1970; nothing if it stays.
    """
    there = key in kv
    kv.expire(key, _seconds(after))
    entry = kv.get(key)
    if not there:
        warn(f"there was no {key!r}")
    elif entry is None:
        warn(f"{key!r} is gone already")
    else:
        out.record(("key", "expires"), {"key": key, "expires": entry.expires}, ["expires"])


def _seconds(words: str) -> float | None:
    if words == "never":
        return None
    try:
        return float(words)
    except ValueError:
        raise typer.BadParameter(f"{words!r} is no number of seconds, nor 'never'", param_hint="SECONDS") from None


def _patch(kv: "KeyValue", out: "Printer", key: Key, patch: Any, base: Base = None) -> None:
    """Change a document by a patch.

    A list is a JSON patch (RFC 6902), an object a merge patch (RFC 7396).
    """
    from crdtkv.cli.words import version_of

    _wrote(out, kv.patch(key, patch, base=version_of(kv, key, base)))


def _append(kv: "KeyValue", out: "Printer", key: Key, values: Any, path: Pointer = None) -> None:
    """Append values to a list or a log.

    Or to an array in a JSON document (--path). A key that is not there becomes a list, unless a rule says otherwise.
    """
    kind = "json" if path is not None else _kind(kv, key, "list")
    if kind == "json":
        _wrote(out, kv.json(key).list(path or "").append(*values))
    else:
        _wrote(out, (kv.log if kind == "log" else kv.list)(key).append(*values))


def _add(kv: "KeyValue", out: "Printer", key: Key, values: Any, path: Pointer = None) -> None:
    """Add elements to a set."""
    handle = kv.set(key) if path is None else kv.json(key).set(path)
    with _hinted("append to a list; name a set in a document by --path"):
        _wrote(out, handle.add(*values))


def _remove(
    kv: "KeyValue", out: "Printer", key: Key, values: Any,
    index: Annotated[
        int | None, typer.Option("--index", metavar="N", help="Of a list or an array: the element there (0 first).")
    ] = None,
    path: Pointer = None, base: Base = None,
) -> None:  # fmt: skip
    """Remove elements from a set or a list.

    From a set by their values, as far as you have seen them; from a list or an array by --index.
    """
    from crdtkv.cli.words import version_of

    if (index is None) != bool(values) or (index is not None and base is not None):
        raise typer.BadParameter("give values, or --index and no base", param_hint="VALUE...")
    if key not in kv:
        warn(f"there was no {key!r}")
        return
    if index is not None:
        whole = path is None and _kind(kv, key, "list") != "json"
        _wrote(out, (kv.list(key) if whole else kv.json(key).list(path or "")).remove(index))
        return
    handle = kv.set(key) if path is None else kv.json(key).set(path)
    with _hinted("remove from a list or an array by --index"):
        _wrote(out, handle.remove(*values, base=version_of(kv, key, base)))


def _incr(
    kv: "KeyValue", out: "Printer", key: Key,
    by: Annotated[int, typer.Argument(metavar="N", help="How much; may be negative.", show_default=False)] = 1,
    path: Pointer = None, once: _Once = None,
) -> None:  # fmt: skip
    """Count a counter up or down.

    Raw: its new value.
    """
    handle = kv.counter(key) if path is None else kv.json(key).counter(path)
    with _hinted("name another key, or a counter in a document by --path"):
        _wrote(out, handle.add(by, idempotency_key=once), raw="value")


def _revert(
    kv: "KeyValue", out: "Printer", key: Key,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="As history prints it; ~1: before the last write.")],
) -> None:  # fmt: skip
    """Make a key show what it showed once.

    It is a new write; nothing is rewritten.
    """
    from crdtkv.cli.words import version_of

    _wrote(out, kv.revert(key, version_of(kv, key, version) or ""))


@contextmanager
def _hinted(next_step: str) -> Iterator[None]:
    """What to do about a key of another strategy, in the words of the command line."""
    from crdtkv.errors import WrongOperation

    try:
        yield
    except WrongOperation as error:
        error.next_step = next_step
        raise


def _kind(kv: "KeyValue", key: str, unruled: str) -> str:
    """The strategy a key has, or is made under: by its rule, `unruled` where no rule speaks of it."""
    entry = kv.get(key)
    rule = kv.rules.of(key)
    spec = entry.strategy if entry is not None else unruled if rule.pattern == "*" else rule.strategy
    return spec.partition("?")[0]


def _wrote(out: "Printer", receipt: "Receipt", raw: str = "version") -> None:
    out.record(_COLUMNS, {name: getattr(receipt, name) for name in _COLUMNS}, [raw])
