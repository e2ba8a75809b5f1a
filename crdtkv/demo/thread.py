"""The case that started it: one list, two clients, two colos, both write the whole list.

A list holds entry1 to entry7. A client at one colo takes 5 out; at the same time a
client at another adds 8 and 9. Wanted: 5 gone, 8 and 9 there. The same calls are
made twice, on a key that a rule gives to lww and on one it gives to json.
"""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from crdtkv.demo.colos import NAMES, Colos, three
from crdtkv.demo.screen import console, print_plain

if TYPE_CHECKING:
    from crdtkv import Receipt

__all__ = ["show"]

_STRATEGIES = ("lww", "json")
_FIRST = [f"entry{i}" for i in range(1, 8)]
_WITHOUT_5 = [e for e in _FIRST if e != "entry5"]
_WITH_8_9 = [*_FIRST, "entry8", "entry9"]
_WITH_10 = [*_FIRST, "entry10"]
_WANTED = [*_WITHOUT_5, "entry8", "entry9"]


def show(seed: int) -> None:
    """Prints the case step by step."""
    out = console()
    with three({f"{s}/*": s for s in _STRATEGIES}, seed) as colos:
        out.print("\n[bold]One list, three colos[/bold]")
        out.print("Each client PUTs its whole list, with the version it had read.\n")

        first = _write(colos, "lhr", _FIRST, None)
        colos.meet()
        out.print("1. A client at lhr writes seven entries, and the colos sync:")
        out.print(f"   {_brief(_FIRST)}\n")

        _write(colos, "lhr", _WITHOUT_5, first)
        _write(colos, "sin", _WITH_8_9, first)
        out.print("2. Two clients, which have read that, write before the colos sync again:")
        out.print(f"   {_brief(_WITHOUT_5):<19}at lhr, 5 taken out")
        out.print(f"   {_brief(_WITH_8_9):<19}at sin, 8 and 9 added\n")

        colos.meet()
        out.print("3. The colos sync. Every client now reads:")
        _readings(out, colos, _WANTED)

        _write(colos, "gru", _WITH_10, first)
        colos.meet()
        out.print("\n4. A client at gru, which still holds the first version, adds 10 and PUTs")
        out.print(f"   {_brief(_WITH_10)}, with 5 and without 8 and 9. After a sync:")
        _readings(out, colos, [*_WANTED, "entry10"])


def _write(colos: Colos, colo: str, entries: list[str], base: "dict[str, Receipt] | None") -> "dict[str, Receipt]":
    """The same PUT under each strategy, each made against what its client had read."""
    colos.wall.wait(5)
    return {
        s: colos[colo].put(f"{s}/todo", entries, base=base[s].version if base is not None else None)
        for s in _STRATEGIES
    }  # fmt: skip


def _readings(out: Console, colos: Colos, wanted: list[str]) -> None:
    """A row for each different reading of each strategy: one row, when the colos agree."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for title in ("   strategy", "at", "reads", ""):
        table.add_column(title)
    for strategy in _STRATEGIES:
        read: dict[str, list[str]] = {}
        for name in NAMES:
            read.setdefault(_brief(colos[name][f"{strategy}/todo"]), []).append(name)
        for i, (brief, names) in enumerate(read.items()):
            verdict = _verdict(brief.split(), _brief(wanted).split())
            table.add_row("" if i else f"   {strategy}", " ".join(names), brief, verdict)
    print_plain(out, table)


def _verdict(reads: list[str], wanted: list[str]) -> str:
    """In words, what is not as it should be."""
    lost = [e for e in wanted if e not in reads]
    back = [e for e in reads if e not in wanted]
    words = [f"{' '.join(lost)} lost"] * bool(lost) + [f"{' '.join(back)} came back"] * bool(back)
    return f"[red]{', '.join(words)}[/red]" if words else "[green]as wanted[/green]"


def _brief(entries: list[str]) -> str:
    return " ".join(e.removeprefix("entry") for e in entries)
