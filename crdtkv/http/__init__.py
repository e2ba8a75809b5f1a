"""What stands in requests and replies over HTTP: one shape of each thing, for a server and for its clients.

Law of this room: data in, data out. Nothing here opens a connection, reads a clock or knows a store.
"""
