"""SVG as text: elements, scales, ticks and the words on an axis.

Rule: no colour stands here or in a figure. An element has a class, and the page's style says how that looks.
"""

import math
from html import escape
from typing import NamedTuple

__all__ = ["Frame", "Scale", "heat", "note", "picture", "points", "tag", "words"]


def tag(name: str, *inside: str, **attributes: object) -> str:
    """An element; `class_` is class, `stroke_width` is stroke-width, None is left out.

    >>> tag("circle", cx=1.0, cy=2.25, class_="colo")
    '<circle cx="1" cy="2.25" class="colo"/>'
    """
    said = "".join(f' {_name(key)}="{_value(value)}"' for key, value in attributes.items() if value is not None)
    return f"<{name}{said}>{''.join(inside)}</{name}>" if inside else f"<{name}{said}/>"


def _name(key: str) -> str:
    return key if key == "viewBox" else key.rstrip("_").replace("_", "-")


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else escape(str(value))


def words(x: float, y: float, said: str, class_: str = "", anchor: str = "start", **more: object) -> str:
    """Text at a point."""
    return tag("text", escape(said), x=x, y=y, class_=class_ or None, text_anchor=anchor, **more)


def note(said: str) -> str:
    """What is shown where a pointer rests."""
    return tag("title", escape(said))


def points(found: list[tuple[float, float]]) -> str:
    """A path through points, as the `d` of a path.

    >>> points([(0, 1), (2.5, 3)])
    'M0 1L2.5 3'
    """
    return "M" + "L".join(f"{_value(float(x))} {_value(float(y))}" for x, y in found) if found else ""


def picture(name: str, width: float, height: float, said: str, *inside: str) -> str:
    """The whole of a figure; `said`: what it shows, for who cannot see it."""
    return tag(
        "svg", note(said), *inside, viewBox=f"0 0 {width:.0f} {height:.0f}", class_=f"figure {name}", role="img",
        data_figure=name,
    )  # fmt: skip


def heat(part: float) -> str:
    """The style of what is `part` (0 to 1) hot."""
    part = max(0.0, min(1.0, part)) * 2
    low, high, more = ("cold", "warm", part) if part < 1 else ("warm", "hot", part - 1)
    return f"fill:color-mix(in oklab,var(--{low}),var(--{high}) {more * 100:.0f}%)"


class Scale(NamedTuple):
    """From low..high of what is measured to begin..end of the picture."""

    low: float
    high: float
    begin: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Where it stands. What lies outside stands at the border."""
        value = max(self.low, min(self.high, value))
        low, high, at = (map(math.log, (self.low, self.high, value)) if self.log else (self.low, self.high, value))
        return self.begin + (self.end - self.begin) * ((at - low) / (high - low) if high > low else 0.0)

    def ticks(self, wanted: int = 6) -> list[float]:
        """Round numbers within.

        >>> Scale(0, 97, 0, 1).ticks(), Scale(0.02, 3, 0, 1, log=True).ticks()
        ([0, 20, 40, 60, 80], [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0])
        """
        return self._powers(wanted) if self.log else self._steps(wanted)

    def _steps(self, wanted: int) -> list[float]:
        span = (self.high - self.low) or 1.0
        unit: float = 10 ** math.floor(math.log10(span / wanted))
        step = next(m * unit for m in (1, 2, 5, 10) if span / (m * unit) <= wanted)
        first = math.ceil(self.low / step - 1e-9)
        return [n * step for n in range(first, int(self.high / step + 1e-9) + 1)]

    def _powers(self, wanted: int) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        fine = [float(f"{m}e{n}") for n in range(first, last + 1) for m in (1, 2, 5)]
        found = [v for v in fine if self.low * 0.999 <= v <= self.high * 1.001]
        return found if len(found) <= wanted + 2 else [v for v in found if f"{v:e}"[0] == "1"]


class Frame(NamedTuple):
    """Where a figure's axes are."""

    x: Scale
    y: Scale

    def axes(self, x_words: list[tuple[float, str]], y_words: list[tuple[float, str]], x_title: str) -> str:
        """The lines of a grid, with their words; what is along x is said below."""
        left, right, bottom, top = self.x.begin, self.x.end, self.y.begin, self.y.end
        found = []
        for value, said in y_words:
            y = self.y(value)
            found.append(tag("line", x1=left, x2=right, y1=y, y2=y, class_="grid"))
            found.append(words(left - 8, y + 4, said, "tick", "end"))
        for value, said in x_words:
            x = self.x(value)
            found.append(tag("line", x1=x, x2=x, y1=bottom, y2=bottom + 5, class_="axis"))
            found.append(words(x, bottom + 19, said, "tick", "middle"))
        found.append(tag("line", x1=left, x2=right, y1=bottom, y2=bottom, class_="axis"))
        found.append(words((left + right) / 2, bottom + 38, x_title, "title", "middle"))
        return tag("g", *found) if top < bottom else ""
