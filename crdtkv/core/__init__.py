"""The replicated structure: pure data and functions, no clock, disk or network."""
