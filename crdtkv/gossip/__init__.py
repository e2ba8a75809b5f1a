"""Exchange between colos as a pure protocol: time, randomness and bytes are handed in, messages are handed out.

One `Gossip` per namespace and colo, over one replica. Every message may be lost, doubled,
late or forged in any byte: then nothing follows but delay, and what heals it is the next one.
"""

from crdtkv.gossip.machine import Gossip, PeerStatus
from crdtkv.gossip.settings import Dice, Send, Settings

__all__ = ["Dice", "Gossip", "PeerStatus", "Send", "Settings"]
