"""The house rules that a program can check: who imports whom, what is public, how long things are.

Each rule is a function from sources to offences, so that it is tried below on a
source that breaks it before it is tried on ours.
"""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "crdtkv"

CORE = {"core", "errors"}
STRATEGIES = CORE | {"strategies"}
STORAGE = CORE | {"storage"}
REPLICA = STRATEGIES | {"storage", "replica"}
STORE = REPLICA | {"registration", "gossip", "store"}
NODE = STORE | {"gossip", "node"}
TRANSPORT = NODE | {"transport"}
HTTP = STORE | {"http"}
SERVER = TRANSPORT | {"http", "bulk", "server"}
DOORS = SERVER | {"doors"}
CLIENT = {"errors", "http", "client"} | STORE

MAY_IMPORT = {
    "": CLIENT,  # crdtkv/__init__.py: the public names, nothing else
    "errors": {"errors"},
    "core": CORE,
    "strategies": STRATEGIES,
    "storage": STORAGE,
    "gossip": REPLICA | {"gossip"},
    "registration": STRATEGIES | {"registration"},
    "replica": REPLICA,
    "store": STORE,
    "node": NODE,
    "transport": TRANSPORT,
    "http": HTTP,
    "client": CLIENT,
    "server": SERVER,
    "doors": DOORS,
    "sim": TRANSPORT | {"sim"},
    "demo": {"", "errors", "demo"},  # the demo is a user: the public API only
    "bulk": STORE | {"bulk"},
    "trial": STRATEGIES | {"trial"},
    "maelstrom": STORE | {"gossip", "maelstrom"},
    "cli": DOORS | {"", "sim", "demo", "bulk", "trial", "maelstrom", "client", "cli"},
}

PURE = ("core", "strategies", "gossip")
WORLD = {
    "asyncio", "multiprocessing", "os", "random", "secrets", "select", "selectors", "socket", "sqlite3", "ssl",
    "subprocess", "threading", "time", "uuid",
}  # fmt: skip

LAZY = ("typer", "rich", "click", "sqlite_utils", "re2", "fastapi", "uvicorn", "pydantic", "prometheus_client", "httpx")
MODULE_LINES = 500
FUNCTION_LINES = 70


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """`core` for crdtkv/core/cells.py, `store` for crdtkv/store.py, "" for crdtkv/__init__.py."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first in ("__init__", "__main__") else first


def imports(tree: ast.Module, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """(line, module in full) of every import, wherever it stands; `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{stem}.{a.name}") for a in node.names)


def wrong_ways(source: str, here: str, package: tuple[str, ...], rooms: set[str]) -> list[str]:
    """Imports from a room that `here` may not import, and of the world from a pure room."""
    if here not in MAY_IMPORT:
        return [f"MAY_IMPORT in {Path(__file__).name} does not say where {here!r} stands"]
    found = []
    for line, name in imports(ast.parse(source), package):
        top, _, rest = name.partition(".")
        if top == "crdtkv":
            target = rest.split(".")[0]
            target = target if target in rooms else ""
            if target not in MAY_IMPORT[here]:
                found.append(f"line {line}: {here or '__init__'!s} imports {target or 'crdtkv'}, which stands above it")
        elif here in PURE and top in WORLD:
            found.append(f"line {line}: {here} is pure and imports {top}")
    return found


def public_names(tree: ast.Module) -> set[str]:
    """What a module defines (or, for an `__init__`, what it could) without an underscore."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                names.update(n.id for n in ast.walk(target) if isinstance(n, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {n for n in names if not n.startswith("_")}


def declared(tree: ast.Module) -> set[str] | None:
    """`__all__`, or None where there is none."""
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "__all__":
            return set(ast.literal_eval(node.value))  # type: ignore[union-attr]
    return None


def long_functions(source: str) -> list[str]:
    """Functions of more than FUNCTION_LINES lines, docstring not counted."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                words = node.body[0]
                lines -= (words.end_lineno or 0) - words.lineno + 1
            if lines > FUNCTION_LINES:
                found.append(f"line {node.lineno}: {node.name} has {lines} lines")
    return found


def report(offences: dict[Path, list[str]]) -> str:
    return "\n".join(f"{p.relative_to(ROOT)}: {o}" for p, found in offences.items() for o in found)


def test_imports_run_one_way() -> None:
    """core <- strategies <- store, core <- storage <- store, ... <- cli; and the pure rooms know no world."""
    rooms = {room(p) for p in modules()}
    offences = {
        p: wrong_ways(p.read_text(), room(p), ("crdtkv", *p.relative_to(PACKAGE).parts[:-1]), rooms) for p in modules()
    }
    assert not report(offences), "\n" + report(offences)


@pytest.mark.parametrize(
    ("source", "here"),
    [
        ("from crdtkv.store import Store", "core"),
        ("from ..store import Store", "core"),
        ("from crdtkv import store", "strategies"),
        ("import crdtkv.strategies.json", "storage"),
        ("def f():\n    import crdtkv.server", "store"),
        ("if TYPE_CHECKING:\n    from crdtkv.store import store", "gossip"),
        ("from crdtkv import open", "store"),
        ("from crdtkv.cli import main", "sim"),
        ("from crdtkv.store import Store", "demo"),
        ("import os.path", "core"),
        ("from time import time", "strategies"),
        ("def f():\n    from random import random", "gossip"),
        ("import json", "cellar"),
    ],
)
def test_a_wrong_import_is_found(source: str, here: str) -> None:
    rooms = {"core", "strategies", "storage", "store", "server", "gossip", "cli", "sim", "demo"}
    assert wrong_ways(source, here, ("crdtkv", here), rooms)


def test_all_is_the_truth() -> None:
    """`__all__` names what a module defines without an underscore, no more and no less."""
    offences: dict[Path, list[str]] = {}
    for path in modules():
        tree = ast.parse(path.read_text())
        says, has = declared(tree), public_names(tree)
        if path.name in ("__init__.py", "__main__.py"):
            has = has - (says or set())
            says = set()
        if (says or set()) != has:
            hidden, missing = sorted(has - (says or set())), sorted((says or set()) - has)
            offences[path] = [f"not in __all__: {hidden}; in __all__ but not defined here: {missing}"]
    assert not report(offences), "\n" + report(offences)


def test_every_declared_name_is_there() -> None:
    """What a package's `__all__` says can be imported from it, lazy names included."""
    for path in modules():
        if path.name == "__init__.py":
            name = ".".join(("crdtkv", *path.relative_to(PACKAGE).parts[:-1]))
            says = declared(ast.parse(path.read_text())) or set()
            module = importlib.import_module(name)
            assert {n for n in says if not hasattr(module, n)} == set(), name


def test_modules_and_functions_are_short() -> None:
    """At most 500 lines a module and 70 a function (docstring apart)."""
    offences = {p: long_functions(p.read_text()) for p in modules()}
    for path in modules():
        lines = len(path.read_text().splitlines())
        if lines > MODULE_LINES:
            offences[path].insert(0, f"{lines} lines")
    assert not report(offences), "\n" + report(offences)


def test_a_long_function_is_found() -> None:
    body = "    x = 1\n" * FUNCTION_LINES
    assert long_functions(f"def f():\n{body}") == [f"line 1: f has {FUNCTION_LINES + 1} lines"]
    assert long_functions('def f():\n    """A\n' + "\n" * FUNCTION_LINES + '    """\n    return 1\n') == []


def test_public_names_are_found() -> None:
    tree = ast.parse("import a\n__all__ = ['B']\nX = 1\nY: int = 2\n_z = 3\nclass B: ...\ndef c(): ...\n(d, e) = 1, 2")
    assert public_names(tree) == {"X", "Y", "B", "c", "d", "e"}
    assert declared(tree) == {"B"}


def test_import_crdtkv_is_lazy() -> None:
    """A library's user does not pay for the command line, nor for what only some keys need."""
    code = f"import crdtkv, sys; print(*[m for m in {LAZY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_command_line_loads_no_store() -> None:
    """`crdtkv --help` loads what it prints with, and nothing of the store."""
    code = (
        "import sys\nfrom crdtkv import cli\nsys.argv = ['crdtkv', '--help']\n"
        "try: cli.main()\nexcept SystemExit: pass\n"
        "heavy = ('sqlite3', 'sqlite_utils', 're2', 'crdtkv.store', 'crdtkv.demo', 'crdtkv.bulk', 'crdtkv.trial',\n"
        "         'crdtkv.sim', 'airportsdata')\n"
        "print('LOADED', *[m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED", done.stdout


def test_what_is_to_be_installed_is_what_an_extra_names() -> None:
    """By its own name: crdtkv itself is installed from a folder as a rule, and is on no index then."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    known = {re.split(r"[^\w.-]", each)[0] for each in chain(*extras.values())}
    named = set(re.findall(r"pip install ([^\s\"')]+)", "\n".join(path.read_text() for path in modules())))
    assert named and named <= known
