"""A colo over HTTP: the paths of docs/http.md over a node.

Law of this room: a door. It translates requests to calls of a store and what they return or raise to
replies; it merges nothing and stores nothing. The event loop waits for no disk and for no lock: writes
are submitted, and what may take long runs in threads.
"""
