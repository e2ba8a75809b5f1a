"""The command `crdtkv`: a door. It translates words to calls, and what they return or raise to words.

Rule of this room: no merging and no storing happens here, and nothing but typer is
imported until a command runs, so that `crdtkv --help` stays quick. Exit 0: done;
1: refused (an error of the crdtkv tree, printed as `error: ...` with its next step),
or not all that was asked for was done; 2: the command was written wrongly.
"""

from crdtkv.cli.main import app, main

__all__ = ["app", "main"]
