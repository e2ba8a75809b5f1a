"""A colo's part of a cluster, without the network: its namespaces, its tokens, its settings.

Law of this room: what the colos of a cluster have to agree on stands in cells of the
system namespace and merges like anything else; what is read of it is a function of
those cells, the same at every colo that has absorbed the same.
"""
