"""`python -m crdtkv.cli`."""

from crdtkv.cli.main import main

__all__: list[str] = []

main()
