"""What disks and the power do, and what must hold after.

`disk` is a disk that forgets what was not synced, `vfs` puts SQLite on it, `world` cuts the
power again and again under a store that is used, `wishes` are what it is used for.
`python -m tests.power CUTS` says what was lost.
"""
