"""`crdtkv cluster`: several colos at once on this machine, each a real `crdtkv serve`, to be tried and stopped.

Rule: whatever ends this command ends the processes that it began, and removes what it made for them.
"""

import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from crdtkv.cli.door import Command, example, fail, in_words, warn

__all__ = ["COLOS", "Colo", "add_to", "running"]

COLOS = (
    "lhr", "sin", "gru", "iad", "nrt", "fra", "syd", "bom", "jnb", "sfo", "cdg", "hkg", "yyz", "scl", "dub", "icn",
)  # fmt: skip

_READY = 30.0
"""Seconds in which all colos must have met."""
_LOOK = 0.2
_STOP = 10.0
"""Seconds that a colo is given to finish what it is at."""


class Colo(NamedTuple):
    """A colo that is served by a process of its own."""

    name: str
    url: str
    process: subprocess.Popen[str]


def add_to(app: typer.Typer) -> None:
    """The commands of this room."""
    shown = "crdtkv cluster --colos 3\ncrdtkv cluster --show"
    app.command("cluster", cls=Command, epilog=example(shown))(_cluster)


def _cluster(
    colos: Annotated[int, typer.Option("--colos", metavar="N", min=1, max=len(COLOS), help="How many.")] = 3,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", file_okay=False, help="Where their files stay; else they go at the end."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65_000, help="The first one's; 0: any that are free.")
    ] = 8801,
    show: Annotated[bool, typer.Option("--show", help="Show a list that two clients write at once.")] = False,
) -> None:  # fmt: skip
    """Run several colos on this machine, until Ctrl-C.

    Each is a process of its own, on 127.0.0.1, and they exchange over HTTP. With --show Enter ends them, too; where
    nobody watches (no terminal) they end by themselves.
    """
    with in_words(), ExitStack() as stack:
        stack.enter_context(_terminable())
        found = stack.enter_context(running(colos, data, port))
        width = max(len(colo.name) for colo in found)
        for colo in found:
            print(f"{colo.name.ljust(width)}  {colo.url}  pid {colo.process.pid}")
        if show:
            from crdtkv.demo import over_http

            over_http.show({colo.name: colo.url for colo in found})
        else:
            _say_how(found)
        sys.stdout.flush()
        if not show:
            print("\nCtrl-C stops them.", flush=True)
            _wait(found, False)
        elif sys.stdin.isatty():
            print("\nPaste these lines into another terminal, change them. Enter stops the colos.", flush=True)
            _wait(found, True)


def _say_how(colos: list[Colo]) -> None:
    first, last = colos[0].url, colos[-1].url
    print(
        f"\ntry:  curl -X PUT {first}/v1/default/keys/todo -d '[1, 2, 3]'\n"
        f"      curl {last}/v1/default/keys/todo\n"
        f"      crdtkv watch --at {last}\n"
        f"      crdtkv status --at {first}"
    )


def _wait(colos: list[Colo], for_enter: bool) -> None:
    """Until Ctrl-C, or Enter, or until one of them ends by itself."""
    while True:
        for colo in colos:
            if colo.process.poll() is not None:
                raise fail(f"{colo.name} has ended, with code {colo.process.returncode}", "see what it said above")
        if not for_enter:
            time.sleep(_LOOK)
        elif select.select([sys.stdin], [], [], _LOOK)[0]:
            sys.stdin.readline()
            return


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends this command as Ctrl-C does, cleanly; and Ctrl-C does in the background of a script, too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        print()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def running(number: int, data: Path | None, port: int) -> Iterator[list[Colo]]:
    """So many colos of one cluster, which have met; stopped at the end."""
    colos: list[Colo] = []
    with ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crdtkv-")))
        stack.callback(_stop, colos)
        secret = secrets.token_urlsafe(24)
        for i, name in enumerate(COLOS[:number]):
            colos.append(_begin(name, folder / name, port + i if port else 0, colos[:1], secret))
        _meet(colos)
        yield colos


def _begin(name: str, folder: Path, port: int, others: list[Colo], secret: str) -> Colo:
    """Start a colo; it joins by one of the others. Raises Exit if it does not come up."""
    command = [
        sys.executable, "-m", "crdtkv.cli.held", "serve", "--colo", name, "--data", str(folder),
        "--listen", f"127.0.0.1:{port}", *(f"--join={other.url}" for other in others),
    ]  # fmt: skip
    world = {key: value for key, value in os.environ.items() if not key.startswith("CRDTKV_")}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={**world, "CRDTKV_CLUSTER_SECRET": secret, "CRDTKV_LOG": os.environ.get("CRDTKV_LOG", "warning")},
    )  # fmt: skip
    assert process.stdout is not None
    words = process.stdout.readline().split()
    if not words:
        process.wait()
        raise fail(f"{name} did not start", "see what it said above; another --port, perhaps: --port 0")
    return Colo(name, words[-1], process)


def _meet(colos: list[Colo]) -> None:
    """All of them know each other."""
    import crdtkv
    from crdtkv.errors import CrdtkvError

    deadline = time.monotonic() + _READY
    for colo in colos:
        with crdtkv.connect(colo.url, tries=1) as kv:
            while True:
                with suppress(CrdtkvError):
                    if len(kv.members) == len(colos):
                        break
                if time.monotonic() > deadline:
                    warn(f"{colo.name} has not met all the others yet")
                    return
                time.sleep(0.05)


def _stop(colos: list[Colo]) -> None:
    """They finish what they are at, say goodbye and end; the last begun first."""
    for colo in reversed(colos):
        with suppress(ProcessLookupError):
            colo.process.terminate()
    deadline = time.monotonic() + _STOP
    for colo in colos:
        try:
            colo.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            colo.process.kill()
            colo.process.wait()
        assert colo.process.stdin is not None and colo.process.stdout is not None
        colo.process.stdin.close()
        colo.process.stdout.close()
