"""Where the peers are installed: `.bench`, beside the project, made by `python -m bench setup`.

A virtual environment for each group of PyPI's peers, one folder for npm's, Debian's packages for the servers if we are
root. What cannot be installed is told, and is missing from the table by name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from bench.harness.processes import ROOT
from bench.harness.registry import GROUPS, NPM, PEERS, SERVERS, Peer
from crdtkv.core import cells

__all__ = ["FOLDER", "command", "compiled", "install", "missing", "versions"]

FOLDER = ROOT / ".bench"
_ASK = """
import json, sys
from importlib import metadata
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def install(tell: Callable[[str], None]) -> None:
    """Makes what is not there yet, or was made from another list. `tell` is given a line for each step."""
    _install_servers(tell)
    for group, packages in GROUPS.items():
        folder = FOLDER / group
        if _made(folder, packages):
            continue
        tell(f"setting up {folder.relative_to(ROOT)}: {', '.join(packages)}")
        shutil.rmtree(folder, ignore_errors=True)
        pip = [str(_python(group)), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
        if _ran([sys.executable, "-m", "venv", str(folder)], tell) and _ran(pip, tell):
            _note(folder, packages)
    folder = FOLDER / "npm"
    if shutil.which("npm") and not _made(folder, NPM):
        tell(f"setting up {folder.relative_to(ROOT)}: {', '.join(NPM)}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n')
        quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
        if _ran(["npm", "install", *quiet, *NPM], tell, folder):
            _note(folder, NPM)


def _install_servers(tell: Callable[[str], None]) -> None:
    lacking = [package for program, package in SERVERS.items() if not shutil.which(program)]
    if not lacking:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        tell(f"not installed, and we are not root on Debian: {', '.join(lacking)}")
        return
    tell(f"installing Debian's {', '.join(lacking)}")
    _ran(["apt-get", "update", "-qq"], tell)
    _ran(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *lacking], tell)


def command(peer: str) -> list[str]:
    """What runs its worker."""
    group = PEERS[peer].group
    if group == "npm":
        return ["node", "--expose-gc", "--max-old-space-size=4096", str(ROOT / "bench" / "peers" / "worker.mjs")]
    return [str(_python(group)) if group else sys.executable, "-m", "bench.worker"]


def missing() -> dict[str, str]:
    """Of each peer that cannot run here, what it lacks."""
    there = _installed()
    return {name: lack for name, peer in PEERS.items() if (lack := _lack(peer, there))}


def versions(peers: Sequence[str]) -> dict[str, str]:
    """Of each that is here; a server's and its client's."""
    there = _installed()
    told = {"sqlite3": sqlite3.sqlite_version, "crdtkv": _commit()}
    for name in peers:
        peer = PEERS[name]
        if _lack(peer, there):
            told[name] = "not installed"
        elif peer.program:
            told[name] = _program_version(peer.program) + (
                f" by {peer.package} {there[peer.package]}" if peer.package else ""
            )
        elif name not in told:
            told[name] = there.get(peer.package) or metadata.version(peer.package)
    return {name: told[name] for name in peers}


def _lack(peer: Peer, there: dict[str, str]) -> str:
    if peer.program and not shutil.which(peer.program):
        return f"Debian's {SERVERS[peer.program]}"
    if peer.group == "npm" and not shutil.which("node"):
        return f"Debian's {SERVERS['node']}"
    return f"{peer.package} (make bench sets it up)" if peer.group and peer.package not in there else ""


def _installed() -> dict[str, str]:
    """Package -> version, of all environments."""
    found: dict[str, str] = {}
    for group in GROUPS:
        names = [peer.package for peer in PEERS.values() if peer.group == group]
        if _python(group).exists():
            done = subprocess.run([_python(group), "-c", _ASK, *names], capture_output=True, text=True, check=False)
            found |= json.loads(done.stdout or "{}")
    for name in NPM:
        package = FOLDER / "npm" / "node_modules" / name / "package.json"
        if package.exists():
            found[name] = json.loads(package.read_text())["version"]
    return found


def _program_version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    words = done.stdout.replace("v=", "").split()
    return next((word for word in words if word[:1].isdigit()), "?")


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return (done.stdout.strip() or "?") + (" (compiled)" if compiled() else "")


def compiled() -> bool:
    """Whether the crdtkv that is measured is the one of `make fast`."""
    return not cells.__file__.endswith(".py")


def _python(group: str) -> Path:
    return FOLDER / group / "bin" / "python"


def _made(folder: Path, packages: Sequence[str]) -> bool:
    note = folder / "made"
    return note.exists() and note.read_text() == _mark(packages)


def _note(folder: Path, packages: Sequence[str]) -> None:
    (folder / "made").write_text(_mark(packages))


def _mark(packages: Sequence[str]) -> str:
    return hashlib.sha256("\n".join((sys.version, *packages)).encode()).hexdigest()


def _ran(arguments: Sequence[str], tell: Callable[[str], None], folder: Path = ROOT) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        tell(f"failed: {' '.join(arguments)}\n{(done.stderr or done.stdout).strip()[-600:]}")
    return done.returncode == 0
