"""Where the time of a hot path goes: `python -m bench.where`, by the samples of Linux' perf.

Law of this room: what is sampled is the work alone, not what prepares it; a sample belongs to the innermost frame
that has an owner (a module of the compiled engine, SQLite, MessagePack, ...), and each is counted.
"""
