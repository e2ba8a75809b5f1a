"""The simulator: the real store, gossip and strategies of many colos under virtual time.

Rule of this room: nothing of the replication is modelled here. Only the clock, the network and the disk are made
up, and all that varies is drawn from one seed.
"""
