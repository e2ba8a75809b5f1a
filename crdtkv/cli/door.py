"""Where a command meets its store: opens it, prints what comes back, puts errors into words.

Rule: what a command does with a store stands in the command; that the store is named,
opened, refused or closed stands here, once.
"""

import inspect
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from crdtkv.cli.options import At, Colo, Output, StoreFile

if TYPE_CHECKING:
    import logging

    from crdtkv import Client, Store

__all__ = [
    "SETTINGS", "WAIT", "Act", "Command", "Group", "Taking", "connected", "example", "fail", "in_words", "many",
    "hear", "named", "off_store", "on_store", "open_named", "other", "reworded", "served", "warn",
]  # fmt: skip

WAIT = 2.0
"""Seconds that a command waits for a file that another has open."""

SETTINGS: dict[str, Any] = {}
"""How stores are opened, as the words before the command, or variables, say: durability, cache_mb, namespace."""

Act = Callable[..., None]
_open_here: list[Path] = []
_BEFORE = {"--namespace", "--durability", "--cache-mb"}
_OPTIONS: list[tuple[str, Any]] = [("store", StoreFile), ("at", At), ("colo", Colo), ("output", Output)]


class Command(TyperCommand):
    """A command that takes -5 as a number, not for an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer's, but for that."""
        unknown = self._unknown(ctx, args)
        for name in {word.partition("=")[0] for word in unknown} & _BEFORE:
            words = f"it stands before the command: crdtkv {name} ... {ctx.info_name} ..."
            raise typer.BadParameter(words, ctx=ctx, param_hint=repr(name))
        ctx.ignore_unknown_options = any(map(_is_number, args)) and not unknown
        with reworded():
            return super().parse_args(ctx, args)

    def _unknown(self, ctx: Any, args: list[str]) -> list[str]:
        """The words that look like options and are none."""
        known = {name for param in self.get_params(ctx) for name in (*param.opts, *param.secondary_opts)}
        head = args[: args.index("--")] if "--" in args else args
        options = [word for word in head if len(word) > 1 and word[0] == "-" and not _is_number(word)]
        return [w for w in options if (w.partition("=")[0] if w[:2] == "--" else w[:2]) not in known]


class Group(TyperGroup):
    """A group of commands that lists what there is when none of them is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer's, but for that."""
        named = bool(args) and (args[0][:1] != "-" or args[0] in ("-h", "--help"))
        return super().parse_args(ctx, args if named else ["list", *args])


_NO_NUMBER = {
    "int_parsing": "is no whole number", "int_from_float": "is no whole number", "float_parsing": "is no number",
    "greater_than_equal": "is too small; at least {ge} is allowed",
    "less_than_equal": "is too large; at most {le} is allowed",
}  # fmt: skip


@contextmanager
def reworded() -> Iterator[None]:
    """What pydantic finds wrong with a number or a name is said in words for who typed it."""
    try:
        yield
    except typer.BadParameter as error:
        found: Any = getattr(error.__cause__, "errors", list)()
        words = _NO_NUMBER.get(found[0]["type"]) if found else None
        if words is None:
            error.message = error.message.removeprefix("Value error, ").removesuffix(".")
        else:
            error.message = f"{str(found[0]['input'])!r} {words.format(**found[0].get('ctx', {}))}"
        raise


def _is_number(word: str) -> bool:
    return word[:1] == "-" and word[1:2].isdigit()


def example(words: str) -> str:
    """An epilog that shows how the command is written; the lines stay as they are."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in words.splitlines())


class Taking(NamedTuple):
    """An argument that is read before the store is opened: what is wrong with it makes no file and waits for none.

    `name`: of the command's own parameter; `parameters`: what stands in the call for it, as
    (name, annotation, default); `read`: takes these, gives what the command is given.
    """

    name: str
    parameters: tuple[tuple[str, Any, Any], ...]
    read: Callable[..., Any]


def on_store(
    group: typer.Typer, name: str, shown: str, *, makes: bool = False, taking: Taking | None = None, here: str = "",
    reads: bool = False,
) -> Callable[[Act], Act]:  # fmt: skip
    """A command of `group` whose first two arguments are the open store and where it prints.

    `makes`: a file that is not there yet is made; otherwise that is an error of usage. `here`: why it
    is of files only, and not of a colo that is served. `reads`: it writes nothing, so a file that may not be
    written will do.
    """

    def decorate(act: Act) -> Act:
        def command(ctx: typer.Context, **given: Any) -> None:
            store, at, colo, form = (given.pop(option) or (ctx.obj or {}).get(option) for option, _ in _OPTIONS)
            from crdtkv.cli.output import Printer

            with in_words():
                if taking is not None:
                    given[taking.name] = taking.read(**{p: given.pop(p) for p, _, _ in taking.parameters})
                url = served(store, at, colo, here)
                with connected(url) if url is not None else open_named(store, colo, makes, reads) as kv:
                    act(kv, Printer(form), **given)

        own = list(inspect.signature(act).parameters.values())[2:]
        if taking is not None:
            at = [parameter.name for parameter in own].index(taking.name)
            own[at : at + 1] = [_option(*parameter) for parameter in taking.parameters]
        _dress(command, act, [*own, *(_option(*option) for option in _OPTIONS)])
        group.command(name, cls=Command, epilog=example(shown))(command)
        return act

    return decorate


def off_store(group: typer.Typer, name: str, shown: str) -> Callable[[Act], Act]:
    """A command of `group` that needs no store; its first argument is where it prints."""

    def decorate(act: Act) -> Act:
        def command(ctx: typer.Context, **given: Any) -> None:
            form = given.pop("output") or (ctx.obj or {}).get("output")
            from crdtkv.cli.output import Printer

            with in_words():
                act(Printer(form), **given)

        own = list(inspect.signature(act).parameters.values())[1:]
        _dress(command, act, [*own, _option("output", Output)])
        group.command(name, cls=Command, epilog=example(shown))(command)
        return act

    return decorate


def _option(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _dress(command: Callable[..., None], act: Act, parameters: list[inspect.Parameter]) -> None:
    """Typer reads a command's parameters off its signature."""
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [context, *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters)]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = act.__doc__
    command.__module__ = act.__module__


def served(store: Path | None, at: str | None, colo: str | None = None, here: str = "") -> str | None:
    """The address of the colo that is meant, by --at or CRDTKV_AT; None: a file is. Raises BadParameter."""
    if store is not None and at is not None:
        raise typer.BadParameter(f"give a file or an address, not both: {str(store)!r}, {at!r}", param_hint="--at")
    url = at or (os.environ.get("CRDTKV_AT") if store is None else None)
    if url is None or (here and at is None and (store or os.environ.get("CRDTKV_STORE"))):
        return None
    if here:
        raise typer.BadParameter(here, param_hint="--at" if at else "CRDTKV_AT")
    if colo is not None:
        raise typer.BadParameter(f"it is of a new file, and {url!r} is none", param_hint="--colo")
    return url


def connected(url: str, **options: Any) -> "Client":
    """A client of the colo at that address. CRDTKV_TOKEN is who asks. Raises BadRequest."""
    import crdtkv

    namespace = SETTINGS.get("namespace", "default")
    return crdtkv.connect(url, token=os.environ.get("CRDTKV_TOKEN") or None, namespace=namespace, **options)


def named(store: Path | None) -> Path:
    """The store's file, as named or by CRDTKV_STORE. Raises BadParameter."""
    path = store or (Path(os.environ["CRDTKV_STORE"]) if os.environ.get("CRDTKV_STORE") else None)
    if path is None:
        raise typer.BadParameter(
            "no store is named; give its file, as in -s lhr.db, or set CRDTKV_STORE; or a colo's address, by --at",
            param_hint="'--store' / '-s'"
        )
    return path


@contextmanager
def open_named(
    store: Path | None, colo: str | None, makes: bool = False, reads: bool = False
) -> "Iterator[Store]":
    """The store in that file, open; closed at the end. `reads`: of one that may not be written, a copy of it."""
    from crdtkv.cli.unwritable import copied, is_writable
    from crdtkv.store.opening import is_colo

    path = other(named(store))
    if path.is_dir():
        raise typer.BadParameter(f"{str(path)!r} is a folder; name a file in it", param_hint="'--store' / '-s'")
    there = path.exists() and path.stat().st_size > 0
    if not path.exists() and not makes:
        raise typer.BadParameter(
            f"there is no file {str(path)!r}; a put, an import or a sync makes one", param_hint="'--store' / '-s'"
        )
    if colo is None and not there and not is_colo(path.stem):
        raise typer.BadParameter(
            f"a new file has the name of its colo (1 to 32 of a-z, 0-9, '-'), and {path.stem!r} is none; "
            "give it one by --colo NAME", param_hint="'--store' / '-s'",
        )  # fmt: skip
    if reads and there and not is_writable(path):
        warn(f"{str(path)!r} may not be written here; what is read is a copy of it, as it is now")
        with copied(path) as copy, _opened(copy, colo, quiet=True) as kv:
            yield kv
        return
    found, colo = path.exists(), colo or (None if there else path.stem)
    with _opened(path, colo) as kv, nullcontext() if there else _made(kv, path, found):
        _open_here.append(path)
        try:
            yield kv
        finally:
            _open_here.remove(path)


@contextmanager
def _made(kv: "Store", path: Path, found: bool) -> Iterator[None]:
    """A new store is told of once something is written in it. Where what it was made for is refused, and nothing was,
    its file is not there any more either, unless it was `found`.
    """
    before, untold = (kv.id, kv.vector), [f"there was no store {str(path)!r}; it is made, a new colo {kv.colo!r}"]

    def tell(*_: Any) -> None:
        while untold:
            warn(untold.pop())

    kv.on_commit.append(tell)
    try:
        yield
    except BaseException:
        if found or (kv.id, kv.vector) != before:
            tell()
        else:
            from crdtkv.storage.backup import pieces

            kv.close()
            for each in pieces(Path(os.path.realpath(path))):
                each.unlink()
        raise
    tell()


def other(path: Path) -> Path:
    """The file, unless it is one of the store that is open here: who reads that beside its lock gives the lock up."""
    from crdtkv.storage.journal import SUFFIXES

    for here in _open_here:
        if path.exists() and here.exists() and path.samefile(here):
            raise typer.BadParameter(f"{str(path)!r} is the store itself; name another file")
        if str(path.resolve()) in (f"{here.resolve()}{suffix}" for suffix in ("-wal", "-shm", "-witness", *SUFFIXES)):
            raise typer.BadParameter(f"{str(path)!r} is a name of the store's own beside it; name another file")
    return path


def _opened(path: Path, colo: str | None, quiet: bool = False) -> "Store":
    """The store; waited for a little, since the command before this one may be about to let go of it."""
    import crdtkv
    from crdtkv.errors import StoreLocked

    hear(quiet)
    deadline = time.monotonic() + WAIT
    while True:
        try:
            return crdtkv.open(path, colo=colo, **SETTINGS)
        except StoreLocked:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)


def hear(quiet: bool = False) -> None:
    """What the store has to say to whoever runs it is a note, as all that a command has to say beside its answer."""
    import logging

    logging.getLogger("crdtkv").handlers[:] = [logging.NullHandler() if quiet else _noting()]


def _noting() -> "logging.Handler":
    import logging

    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warn(record.getMessage())

    return Noting()


@contextmanager
def in_words() -> Iterator[None]:
    """Errors of the tree, and of files that the user named, as one line on stderr; leaves with 1."""
    from crdtkv.errors import BadRequest, CrdtkvError, Unauthorized

    try:
        yield
    except CrdtkvError as error:
        step = "set CRDTKV_TOKEN to a token that is good there" if isinstance(error, Unauthorized) else error.next_step
        raise fail(str(error), "" if step == BadRequest.next_step else step) from None  # that says nothing more
    except OSError as error:
        if error.filename is None:
            raise
        words = (error.strerror or type(error).__name__).lower()
        raise fail(f"{str(error.filename)!r}: {words}", "check the path and who may read and write it") from None


def fail(words: str, next_step: str = "") -> typer.Exit:
    """Says what went wrong; what to raise then."""
    _say("error", "\x1b[31m", f"{words} (next: {next_step})" if next_step else words)
    return typer.Exit(1)


def many(number: int, what: str) -> str:
    """`1 key`, `2 keys`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def warn(words: str) -> None:
    """Something to know, on stderr: what is printed stays what it is."""
    _say("note", "\x1b[33m", words)


def _say(kind: str, colour: str, words: str) -> None:
    sys.stdout.flush()
    on, off = (colour, "\x1b[0m") if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else ("", "")
    print(f"{on}{kind}:{off} {words}", file=sys.stderr)
