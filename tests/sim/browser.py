"""A headless Chromium, where there is one: a page's picture, and what its elements measure."""

import json
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["CHROMIUM", "Box", "Picture", "measured", "picture"]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""apt-get install chromium"""

_MEASURE = """
<pre id="measured"></pre><script>
const box = e => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom] };
document.getElementById("measured").textContent = JSON.stringify([...document.querySelectorAll("svg.figure")].map(s =>
  ({name: s.dataset.figure, box: box(s), words: [...s.querySelectorAll("text")].map(t => [t.textContent, box(t)])})));
</script>
"""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


class Picture(NamedTuple):
    """Pixels, three bytes each, a row after the other."""

    width: int
    height: int
    rows: list[bytes]

    def colours(self, box: Box) -> dict[bytes, int]:
        """How often each colour occurs within."""
        left, top, right, bottom = (max(0, round(v)) for v in box)
        found: dict[bytes, int] = {}
        for row in self.rows[top:bottom]:
            for x in range(left, min(right, self.width)):
                pixel = row[3 * x : 3 * x + 3]
                found[pixel] = found.get(pixel, 0) + 1
        return found


def measured(page: Path, width: int, height: int) -> list[dict[str, Any]]:
    """Of each figure its name, where it is, and where each of its words is."""
    copy = page.with_name(f"measured-{page.name}")
    copy.write_text(page.read_text("utf-8").replace("</body>", _MEASURE + "</body>"), "utf-8")
    said = _run(copy, width, height, "--dump-dom")
    found = re.search(r'<pre id="measured">(.*?)</pre>', said, re.DOTALL)
    assert found is not None, said[-2000:]
    told: list[dict[str, Any]] = json.loads(found[1].replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&"))
    return told


def picture(page: Path, width: int, height: int, dark: bool, png: Path, scale: float = 0.5) -> Picture:
    """The page as it looks; also as the file `png`."""
    _run(
        page, width, height, f"--screenshot={png}", f"--force-device-scale-factor={scale}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
    )  # fmt: skip
    return _decoded(png.read_bytes())


def _run(page: Path, width: int, height: int, *options: str) -> str:
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
        f"--user-data-dir={page.parent / 'profile'}", f"--window-size={width},{height}", *options, page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _decoded(data: bytes) -> Picture:
    """A PNG of eight bits a channel, without interlacing: what Chromium writes."""
    at, packed, head = 8, b"", b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        head, packed = (body if kind == b"IHDR" else head), (packed + body if kind == b"IDAT" else packed)
        at += size + 12
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    assert (depth, interlaced) == (8, 0), (depth, interlaced)
    wide = {2: 3, 6: 4}[colour]
    raw, stride = zlib.decompress(packed), width * wide
    above = bytearray(stride)
    rows = []
    for y in range(height):
        begin = y * (stride + 1)
        above = _unfiltered(raw[begin], bytearray(raw[begin + 1 : begin + 1 + stride]), above, wide)
        rows.append(bytes(above) if wide == 3 else _without_alpha(above))
    return Picture(width, height, rows)


def _unfiltered(kind: int, row: bytearray, above: bytearray, wide: int) -> bytearray:
    if kind == 2:
        return bytearray((a + b) & 255 for a, b in zip(row, above, strict=True))
    for i in range(len(row)) if kind else ():
        left = row[i - wide] if i >= wide else 0
        if kind == 1:
            add = left
        elif kind == 3:
            add = (left + above[i]) // 2
        else:
            corner = above[i - wide] if i >= wide else 0
            guess = left + above[i] - corner
            add = min((left, above[i], corner), key=lambda v: abs(guess - v))
        row[i] = (row[i] + add) & 255
    return row


def _without_alpha(row: bytearray) -> bytes:
    out = bytearray(len(row) // 4 * 3)
    out[0::3], out[1::3], out[2::3] = row[0::4], row[1::4], row[2::4]
    return bytes(out)
