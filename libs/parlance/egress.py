"""Whether what is sent to an address leaves this device."""

import ipaddress
from urllib.parse import urlsplit

from parlance.v1.turn_pb2 import TIER_DEVICE


def leaves(destination: str, tier: int = 0) -> bool:
    """`destination`: "host", "host:port" or "[address]:port"; "" is this process. A name that we cannot place is
    elsewhere. `tier`: where the model runs that is asked there (Tier), where that is known: what a proxy on this device
    passes on to a model that is not has left too."""
    host = urlsplit(f"//{destination}").hostname
    if host is None:
        return False
    if tier > TIER_DEVICE:
        return True
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True
