"""The public store: keys, versions, handles, rules and feeds over one replica.

Law of this room: a call is one transaction; everything returned is the caller's own.
Start with `store.py`; `operations.py` has what can be done to a key.
"""
