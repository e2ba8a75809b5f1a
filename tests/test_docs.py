"""The documentation says what is: every block runs, every name is in it, every link leads somewhere."""

import doctest
import inspect
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import crdtkv
from crdtkv.errors import all_errors
from crdtkv.store.handles import CounterHandle, FlagHandle, JsonHandle, ListHandle, LogHandle, SetHandle
from crdtkv.store.rulebook import Rulebook
from crdtkv.strategies import registry
from docs import build
from tests.compiled import interpreted

ROOT = Path(__file__).parent.parent
PAGES = sorted(p for p in [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("*/*.md")] if ".venv" not in p.parts)
RUN = ("README.md", "docs/guide.md", "docs/formats.md", "docs/adding-a-strategy.md")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    """A fenced block: the line it begins at, its language, its text."""

    line: int
    language: str
    text: str


def blocks(text: str) -> Iterator[Block]:
    for found in _FENCE.finditer(text):
        yield Block(text.count("\n", 0, found.start()) + 1, found[1], found[2])


class _Checker(doctest.OutputChecker):
    """Replica ids end in letters drawn at random: any are as good as those in the page."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(_plain(want), _plain(got), optionflags)


def _plain(text: str) -> str:
    return re.sub(r"~(?:[a-z0-9]{4}\b|\.\.\.)", "~", text)


def run_page(name: str, text: str) -> list[str]:
    """What does not come out as the page says; its blocks share their names, in order."""
    names: dict[str, Any] = {"__name__": "__main__"}
    wrong: list[str] = []
    found = list(blocks(text))
    for i, block in enumerate(found):
        if block.language != "python":
            continue
        if block.text.startswith(">>>"):
            wrong += _run_doctest(name, block, names)
        else:
            after = found[i + 1] if i + 1 < len(found) and found[i + 1].language == "text" else None
            wrong += _run_plain(name, block, names, after)
    return wrong


def _run_doctest(name: str, block: Block, names: dict[str, Any]) -> list[str]:
    said = StringIO()
    test = doctest.DocTestParser().get_doctest(block.text, names, name, name, block.line)
    runner = doctest.DocTestRunner(_Checker(), verbose=False, optionflags=_FLAGS)
    runner.run(test, out=said.write, clear_globs=False)
    names.update(test.globs)
    return [said.getvalue()] if runner.failures else []


def _run_plain(name: str, block: Block, names: dict[str, Any], after: Block | None) -> list[str]:
    said = StringIO()
    with redirect_stdout(said):
        exec(compile(block.text, f"{name}:{block.line}", "exec"), names)
    if after is None or _Checker().check_output(after.text, said.getvalue(), _FLAGS):
        return []
    return [f"{name}:{block.line} says {said.getvalue()!r}, the page {after.text!r}"]


def words() -> str:
    return "\n".join(p.read_text() for p in PAGES)


# what runs


@pytest.mark.parametrize("name", RUN)
def test_every_block_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, in an empty folder; what they print is what the page says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    wrong = run_page(name, (ROOT / name).read_text())
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "```python\n>>> 1 + 1\n3\n```\n",
        "```python\nprint(2)\n```\n```text\n3\n```\n",
        "```python\n>>> x = 1\n```\n```python\n>>> x\n2\n```\n",
    ],
)
def test_a_block_that_says_otherwise_is_found(text: str) -> None:
    assert run_page("page", text)


def test_the_demo_says_what_the_readme_shows() -> None:
    """Each line of the README's demo is a line of the demo; `...` stands for what was cut."""
    command = [sys.executable, "-m", "crdtkv.cli", "demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    said = [line.strip() for line in done.stdout.splitlines()]
    shown = (ROOT / "README.md").read_text().split("<!-- demo -->")[1]
    [block] = [b for b in blocks(shown) if b.language == "text"]
    missing = [line for line in block.text.splitlines() if not any(_fits(line.strip(), other) for other in said)]
    assert not missing, "\n".join(missing)


def _fits(shown: str, said: str) -> bool:
    head, cut, _ = shown.partition("...")
    return said.startswith(head.rstrip()) if cut else said == shown


# what is printed


@interpreted
def test_printed_pages_are_up_to_date() -> None:
    """`make docs` would write nothing."""
    stale = [path.name for path, text in build.pages().items() if not path.exists() or path.read_text() != text]
    assert not stale, f"{stale}: run make docs"


def test_check_finds_a_stale_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(build, "pages", lambda: {tmp_path / "errors.md": "new"})
    assert build.main(["--check"]) == 1
    assert "errors.md" in capsys.readouterr().err
    assert build.main([]) == 0
    assert build.main(["--check"]) == 0
    assert build.main(["--chek"]) == 2


# what is named


def _public(cls: type) -> set[str]:
    return {name for name in vars(cls) if not name.startswith("_")}


def _named(name: str, text: str) -> bool:
    return re.search(rf"(?<![A-Za-z_]){re.escape(name)}(?![A-Za-z_])", text) is not None


def test_every_public_name_is_in_the_docs() -> None:
    text = words()
    assert [name for name in crdtkv.__all__ if not _named(name, text)] == []


def _examples(found: Any) -> str:
    """The lines of a docstring that run."""
    text = inspect.getdoc(found.fget if isinstance(found, property) else found) or ""
    return "\n".join(line for line in text.splitlines() if line.startswith((">>>", "...")))


def _methods(cls: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties of ours, inherited ones too."""
    for owner in reversed(cls.__mro__):
        if owner.__module__.startswith("crdtkv."):
            for name, found in vars(owner).items():
                if not name.startswith("_") and (inspect.isfunction(found) or isinstance(found, property)):
                    yield name, found


def unexplained(names: Iterable[Any]) -> set[str]:
    """Classes, their methods, and functions, without words or without an example that runs.

    A method's example may stand in its class: one that shows all of it tells more than five of a line each.
    """
    out = set()
    for cls_or_function in names:
        title, shown = cls_or_function.__name__, _examples(cls_or_function)
        if not shown:
            out.add(title)
        if isinstance(cls_or_function, type):
            for name, found in dict(_methods(cls_or_function)).items():
                if not inspect.getdoc(found) or not (_examples(found) or re.search(rf"\.{name}\b", shown)):
                    out.add(f"{title}.{name}")
    return out


NO_EXAMPLE: dict[str, str] = {}
"""Name -> why there is none."""

ELSEWHERE = (crdtkv.Client, crdtkv.AsyncClient, crdtkv.KeyValue)
"""What they do is what a Store does, whose methods show it; tests/client compares them, and runs them on a colo."""


def test_every_public_name_has_words_and_an_example_that_runs() -> None:
    """Doctests run with all the others. What a handle can do is shown in the class of the handle."""
    exported = [found for name in crdtkv.__all__ if not inspect.ismodule(found := getattr(crdtkv, name))]
    exported = [found for found in exported if found not in ELSEWHERE]
    handles = [CounterHandle, FlagHandle, JsonHandle, ListHandle, LogHandle, SetHandle, Rulebook]
    found = unexplained([*exported, *handles])
    assert sorted(found - NO_EXAMPLE.keys()) == []
    assert sorted(NO_EXAMPLE.keys() - found) == [], "these have one now: take them out"


def test_a_name_without_an_example_is_found() -> None:
    def bare() -> None:
        """Words, and nothing that runs."""

    class Half:
        """>>> Half.shown"""

        def shown(self) -> None:
            """Its class shows it."""

        def hidden(self) -> None:
            """Nothing shows it."""

    Half.__module__ = "crdtkv.store.half"
    assert unexplained([bare, Half]) == {"bare", "Half.hidden"}


def test_every_method_is_in_the_guide() -> None:
    """Of stores and handles: as `.name`, `name(` or `name` in backquotes."""
    text = (ROOT / "docs/guide.md").read_text()
    ours = [cls for cls in crdtkv.Store.__mro__ if cls.__module__.startswith("crdtkv.")]
    methods = {name for cls in ours for name in _public(cls)}
    for cls in (CounterHandle, FlagHandle, JsonHandle, ListHandle, LogHandle, SetHandle, Rulebook):
        methods |= _public(cls) - {"family", "empty"}
    assert len(methods) > 40
    said = {m for m in methods if re.search(rf"\.{m}\b|\b{m}\(|`{m}`", text)}
    assert sorted(methods - said) == []


def test_every_method_says_what_it_costs() -> None:
    """Each public method and property of stores, handles, feeds and results."""
    classes = (
        crdtkv.Store, crdtkv.Transaction, CounterHandle, FlagHandle, JsonHandle, ListHandle, LogHandle, SetHandle,
        Rulebook, crdtkv.Feed, crdtkv.Receipt, crdtkv.Conflict,
    )  # fmt: skip
    silent = {
        f"{cls.__name__}.{name}"
        for cls in classes
        for name, found in _methods(cls)
        if not re.search(r"O\(|Cost:", inspect.getdoc(getattr(found, "fget", None) or inspect.unwrap(found)) or "")
    }
    assert sorted(silent - {f"{cls.__name__}.empty" for cls in classes}) == []


def test_every_argument_is_in_the_guide() -> None:
    text = (ROOT / "docs/guide.md").read_text()
    store = crdtkv.Store
    called = (crdtkv.open, store.put, store.get, store.scan, store.watch, store.sync, Rulebook.set, Rulebook.migrate)
    arguments = {name for call in called for name in inspect.signature(call).parameters} - {"self", "options", "other"}
    assert sorted(a for a in arguments if not _named(a, text)) == []


def test_every_field_of_a_result_is_in_the_docs() -> None:
    text = words()
    results = [getattr(crdtkv, name) for name in crdtkv.__all__]
    fields = {f for r in results for f in getattr(r, "__dataclass_fields__", {}) if not f.startswith("_")}
    assert sorted(f for f in fields if not _named(f, text)) == []


def test_every_strategy_and_option_is_in_the_docs() -> None:
    page = (ROOT / "docs/strategies.md").read_text()
    readme = (ROOT / "README.md").read_text()
    for found in map(registry.find, registry.names()):
        if not found.__module__.startswith("crdtkv."):
            continue  # another test's
        name = found.name
        assert f"## {name}\n" in page
        assert f"`{name}`" in readme
        assert all(f"| `{part}` |" in page for part in (*found.operations, *found.options))


def test_every_setting_is_in_the_docs() -> None:
    from crdtkv.node.settings import Settings

    page = (ROOT / "docs/colos.md").read_text()
    assert [name for name in Settings.model_fields if f"| `{name}` |" not in page] == []


_INNER = {
    "core/clocks.py": {"MAX_N"}, "core/show.py": {"MAX_SHOWN", "MAX_TEXT"}, "node/clock.py": {"MAX_SECONDS"},
    "node/everywhere.py": {"MAX_NOTES"}, "node/session.py": {"MAX_STRANGERS"}, "transport/actor.py": {"MAX_TOGETHER"},
    "transport/calls.py": {"MAX_WORDS"}, "transport/letters.py": {"MAX_LIVES"},
    "transport/link.py": {"MAX_BATCH", "MAX_FLYING"}, "transport/transport.py": {"MAX_PEERS"},
}  # fmt: skip
"""What no user meets: how words are cut, what is remembered, how work is parted."""


def test_every_limit_is_in_the_docs() -> None:
    """A door's and a server's stand on its own page; the page of all others is printed from the constants."""
    printed = (ROOT / "docs" / "build.py").read_text(encoding="utf-8")
    missing = []
    for folder in ("bulk", "core", "node", "replica", "storage", "store", "strategies", "transport"):
        for file in (ROOT / "crdtkv" / folder).glob("*.py"):
            own = set(re.findall(r"^(MAX_\w+) *(?::.*)?=", file.read_text(encoding="utf-8"), re.MULTILINE))
            own -= _INNER.get(f"{folder}/{file.name}", set())
            module = {"set": "set_strategy"}.get(file.stem, file.stem)
            missing += [f"{module}.{name}" for name in sorted(own) if f"{module}.{name}" not in printed]
    assert not missing, missing


def test_every_error_is_in_the_docs() -> None:
    page = (ROOT / "docs/errors.md").read_text()
    assert [e.__name__ for e in all_errors() if f"`{e.__name__}`" not in page or f"`{e.code}`" not in page] == []


# what leads somewhere


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings."""
    heads = re.findall(r"^#+ (.*)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"`", "", head)).strip().lower().replace(" ", "-") for head in heads}


def broken(page: Path, text: str) -> list[str]:
    out = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", text)):
        path, _, anchor = target.partition("#")
        if path.startswith(("http:", "https:")):
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there.read_text())):
            out.append(target)
    return out


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page, page.read_text()) == []


def test_a_broken_link_is_found() -> None:
    page = ROOT / "docs" / "guide.md"
    assert broken(page, "[a](nowhere.md) [b](guide.md#nowhere) [c](#3-bases)") == ["nowhere.md", "guide.md#nowhere"]


def files_named(text: str) -> set[str]:
    """Files and folders of this project that a page names in backquotes."""
    return set(re.findall(r"`((?:crdtkv|tests|docs|bench|simulations)/[\w./-]*)`", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_that_are_named_are_there(page: Path) -> None:
    missing = [name for name in files_named(page.read_text()) if not (ROOT / name).exists()]
    assert missing == []


# what must not be said

# In pieces, so that this file may be searched too.
FORBIDDEN = [
    re.compile(p)
    for p in (
        r"/wo" r"rk\b",
        r"/ro" r"ot\b",
        r"/ho" r"me/\w",
        r"/tm" r"p/\w",
        r"(?i)\bpypi\.",
        r"\bregis" r"try\.[\w-]+\.\w+",
    )
]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "docs" / "build.py"], ids=lambda p: str(p.relative_to(ROOT)))
def test_no_machine_is_named(page: Path) -> None:
    """No path of the machine this was written on, no host of a package index."""
    text = page.read_text()
    assert [found[0] for pattern in FORBIDDEN for found in pattern.finditer(text)] == []


@pytest.mark.parametrize(
    "words", ["see /ro" + "ot/notes", "in /wo" + "rk", "from PyP" + "I.org", "at regis" + "try.example.org"]
)
def test_a_machine_that_is_named_is_found(words: str) -> None:
    assert any(pattern.search(words) for pattern in FORBIDDEN)
