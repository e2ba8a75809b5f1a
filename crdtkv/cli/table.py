"""A table in plain text: as wide as it has to be in a pipe, as the screen is on a terminal.

Rule: a value that is too wide for the screen is cut, a sentence is folded between its words. Nothing else is: a
version is copied by hand, so a screen that is too narrow for one breaks the line itself.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

__all__ = ["CUT", "FOLDED", "LEAST", "table"]

CUT = ("value", "winner", "before", "after", "siblings", "conflicts")
"""The columns that hold values."""
FOLDED = ("summary", "wins", "anomaly", "cost", "reason", "problem", "words", "wrong")
"""The columns that hold sentences."""
_FIRST = 1000
"""Rows that the widths are taken from."""
LEAST = 12
"""Columns of the screen that what is cut or folded is given at least."""
_BETWEEN = "  "
_STYLES = {"key": 1, "version": 2, "stamp": 2, "replica": 36, "strategy": 32}
"""Of SGR: bold, faint, cyan, green."""


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], screen: int = 0, colour: bool = False
) -> Iterator[str]:
    """The lines of a table with a head; none where there is no row. `screen`: how wide it is; 0 is any width.

    >>> list(table(["key", "value"], [["todo", "[1, 2, 3, 4, 5, 6]"]], screen=20))
    ['key   value', 'todo  [1, 2, 3, 4, …']
    """
    coming = iter(rows)
    first = list(islice(coming, _FIRST))
    if not first:
        return
    widths = [max(_width(row[i]) for row in (columns, *first)) for i in range(len(columns))]
    if screen:
        widths = _fitted(columns, widths, screen)
    yield _line(columns, widths, dict.fromkeys(columns, 2) if colour else {}, columns)
    for row in chain(first, coming):
        for line in _parts(columns, row, widths) if screen else [row]:
            yield _line(columns, widths, _STYLES if colour else {}, line)


def _width(text: str) -> int:
    """Columns of the screen that it takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _fitted(columns: Sequence[str], widths: Sequence[int], screen: int) -> list[int]:
    """The widths, those that may be less so that all fit: what one column leaves over, a wider one takes."""
    fitted = list(widths)
    soft = sorted((i for i, name in enumerate(columns) if name in CUT or name in FOLDED), key=widths.__getitem__)
    left = screen - sum(widths) - len(_BETWEEN) * (len(columns) - 1) + sum(widths[i] for i in soft)
    for others, i in zip(range(len(soft), 0, -1), soft, strict=True):
        fitted[i] = min(widths[i], max(LEAST, left // others))
        left -= fitted[i]
    return fitted


def _parts(columns: Sequence[str], row: Sequence[str], widths: Sequence[int]) -> Iterator[Sequence[str]]:
    """The lines of the screen that a row takes."""
    cells = [
        textwrap.wrap(cell, width) if name in FOLDED else [_cut(cell, width) if name in CUT else cell]
        for name, cell, width in zip(columns, row, widths, strict=True)
    ]
    for i in range(max(map(len, cells))):
        yield [cell[i] if i < len(cell) else "" for cell in cells]


def _cut(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 1) + "…"


def _line(columns: Sequence[str], widths: Sequence[int], styles: Mapping[str, int], cells: Sequence[str]) -> str:
    """One line, without blanks at its end."""
    last = max((i for i, cell in enumerate(cells) if cell), default=0)
    padded = [cell + " " * (width - _width(cell)) for cell, width in zip(cells[:last], widths, strict=False)]
    shown = (
        f"\x1b[{styles[name]}m{cell}\x1b[0m" if name in styles else cell
        for name, cell in zip(columns, [*padded, cells[last]], strict=False)
    )
    return _BETWEEN.join(shown)
