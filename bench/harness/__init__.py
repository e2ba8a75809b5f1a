"""What every workload needs: a plan, processes, environments, statistics, a table.

PURE but for `processes.py`, `environments.py` and `machine.py`.
"""
