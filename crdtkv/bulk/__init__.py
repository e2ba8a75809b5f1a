"""Many keys in and out of a store: NDJSON, CSV, JSON arrays, SQLite tables.

Rule of this room: what comes from elsewhere comes as items, one at a time, each with the line it stood on; what
is wrong with one is said of that one, and the rest goes on. A store is used by its public methods only.
"""
