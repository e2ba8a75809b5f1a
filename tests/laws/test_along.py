"""What goes along in a catch-up, of many paths at a glance: as of each by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sortedcontainers import SortedDict

from crdtkv.core.cells import Sibling
from crdtkv.core.paths import component
from crdtkv.replica import cutting

CELL = (Sibling(("lhr~k3f7", 1), 5, b"\xa1x"),)
DATA = st.sampled_from([b"", b"a", b"b", b"\0", b"\0\0", b"a\0", b"\xff"])
PART = st.builds(component, st.sampled_from([b"s", b"e", b"m", b"o", b"k"]), DATA)
PATHS = st.sets(st.lists(PART, max_size=3).map(b"".join), max_size=12)
ROOT = component(b"s", b"list")


@given(PATHS, PATHS, st.booleans(), st.booleans())
def test_many_at_a_glance(some: set[bytes], more: set[bytes], below: bool, ordered: bool) -> None:
    if below:  # the shape that is looked for
        some, more = {ROOT + path for path in some}, {ROOT + path for path in more}
    paths = {path for path in some if ordered or b"o" not in path}
    held = dict.fromkeys(paths | more, CELL)
    for cells in (held, SortedDict(held)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cutting, "_SOME", 1)
            at_a_glance = cutting.along(paths, cells)
            patch.setattr(cutting, "_SOME", 1 << 60)
            assert at_a_glance == cutting.along(paths, cells)


def test_a_long_list_is_of_that_shape() -> None:
    cells = {ROOT + component(b"e", b"%03d" % n): CELL for n in range(200)}
    some = dict(list(cells.items())[:100])
    assert cutting._stand_alone(some, cells) and not cutting.along(some, cells)
    assert not cutting._stand_alone(some, {**cells, ROOT + component(b"o", component(b"e", b"7")): CELL})
