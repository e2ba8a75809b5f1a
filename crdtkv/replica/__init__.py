"""One colo's copy of a namespace: the engine under the Store.

Law of this room: cells change in exactly three ways: an edit (a wish, `draft`), an
absorb (a fact, `exchange`) and a purge (a forgetting, `purge`), all through
`Replica.set_cell`. Commit before tell: what a crash could take back, nobody is told.
"""
