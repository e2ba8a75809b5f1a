"""Messages between colos over HTTP: who may send them, how they go, when the protocol is asked.

Law of this room: a message that is not wholly ours, and new, changes nothing and is
counted. What goes out is bounded; what does not fit is dropped and counted, and the
protocol heals it. The event loop waits for no disk and no lock.
"""
