"""What has to hold: each checker looks at the evidence of a run and says what is wrong with it.

Law of this room: a checker knows no strategy. It judges by what clients asked, were told and
had seen, and by what is read in the end; where it cannot tell, it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from crdtkv.sim.outcome import Finding

if TYPE_CHECKING:
    from crdtkv.sim.evidence import Evidence

__all__ = ["MOST", "Checker"]

Checker = Callable[["Evidence"], Iterator[Finding]]

MOST = 20
"""Of so many findings a checker tells; of the rest, how many there are."""
