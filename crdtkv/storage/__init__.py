"""Where cells lie: one protocol, in memory or in a SQLite file."""
