"""What disks and the power do, and what must hold after.

`disk` is a disk that forgets what was not synced, `vfs` puts SQLite on it, `wishes` are what a
store is used for. `world` cuts the power again and again under a store that is used, and
`moments` are what it must be found at; `child` is a process to be killed; `faults` lets
steps of the disk fail. `python -m tests.power CUTS` says what was lost.
"""
