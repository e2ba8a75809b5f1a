"""What a run came to, to look at and to go on with: one HTML page, JSON, CSV, and a log for ShiViz.

Rule of this room: a figure is a function of outcomes to text; nothing is computed in the browser and nothing is
fetched. Colours are names that the page's style says for light and dark.
"""

from crdtkv.sim.report.files import FORMS, write

__all__ = ["FORMS", "write"]
