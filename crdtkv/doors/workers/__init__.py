"""The port of Workers KV: what a Worker's KV binding sends, from `workerd` or through miniflare, so that it runs here.

Law of this room: bytes become requests (`wire`), requests become calls (`asking`), calls are answered by `doors.items`
and a store (`answering`); only `connection` and `port` know a socket. The reason phrase of a reply carries its error:
a Worker is shown nothing else of it.
"""
