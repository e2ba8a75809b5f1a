"""A node of Maelstrom, the workbench for distributed systems: `crdtkv maelstrom`.

    maelstrom test -w g-set --bin crdtkv --nemesis partition maelstrom

Law of this room: a door. It turns Maelstrom's messages into operations of a store and
what comes back into Maelstrom's words; what is replicated, and how, is the store's and
the gossip machine's. Only `running` reads a clock or a stream.

In this order: `protocol`, messages and errors; `workloads`, what each request is to a
store; `node`, a store and its gossip behind one identity; `running`, standard input and
output around it.
"""
