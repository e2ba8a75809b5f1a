"""One file a workload: what is measured, of whom, and what we want of it (`WORKLOAD`); and how (`measure`).

`measure(peer, order)` runs in a process of its own, under the Python of the peer's environment: nothing but the
standard library and `bench` may be imported at the top of these files.
"""
