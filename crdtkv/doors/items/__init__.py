"""What Workers KV means: a key has a body of bytes, metadata and a date, in terms of a store's operations.

The doors of Workers KV (`doors.cloudflare`, `doors.workers`) are words around this: `holding` writes and reads,
`bodies` says what value a body is under a key's strategy, `limits` what is refused, in the words of Workers KV.
"""
