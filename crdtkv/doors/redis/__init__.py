"""A colo as a Redis server: RESP2 and RESP3 over a node.

Law of this room: a door. Commands become reads of a store and operations of its strategies; nothing is merged here.
The event loop waits for no disk and no lock: all writes of a turn of the loop are one transaction in the thread that
commits, and nothing is answered before it is durable. A command that is wrong is refused before it has written.
"""
