"""Merge strategies: one file each, and the registry.

Law of this room: a strategy is two pure functions over cells, how an operation becomes
cells and how cells read as a value. No state, no clock, no join of its own.
"""
