"""Whether what is sent to an address leaves this device."""

import ipaddress
from urllib.parse import urlsplit


def leaves(destination: str) -> bool:
    """`destination`: "host", "host:port" or "[address]:port"; "" is this process. A name that we cannot place is
    elsewhere."""
    host = urlsplit(f"//{destination}").hostname
    if host is None or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True
