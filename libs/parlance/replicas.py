"""Which replica of a service is asked: always the same one for a session, the next where it does not answer.

Rendezvous hashing (Thaler and Ravishankar, 1998): a replica that comes or goes moves only its own sessions. A name that
stands for several addresses (a headless Kubernetes service, a scaled Compose service) is that many replicas.
"""

import asyncio
import hashlib
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

# A replica that did not answer is asked last for so long.
_AVOIDED_S = 2.0
# How long what a name stands for is believed.
_RESOLVED_S = 2.0


@dataclass(frozen=True, slots=True)
class Replica:
    """`address`: "10.0.0.7:50054"; `host`: the name in its certificate; `rank`: how many of them a session prefers to
    it, whichever answered lately."""

    address: str
    host: str
    rank: int = field(default=0, compare=False)


class Replicas:
    """`addresses`: "Llm" -> "one:50054,two:50054"."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._given = {service: tuple(given.split(",")) for service, given in addresses.items() if given}
        self._known: dict[str, tuple[Replica, ...]] = {}
        self._stale_at: dict[str, float] = {}
        self._avoided: dict[str, float] = {}

    async def ranked(self, service: str, session: str) -> list[Replica]:
        """All replicas, in the order in which they are asked; [] where no address is known."""
        now = asyncio.get_running_loop().time()
        if self._stale_at.get(service, 0.0) <= now:
            await self._look_up(service, now)
        known = self._known[service]
        if len(known) < 2:
            return list(known)
        ranked = sorted(known, key=lambda replica: _weight(replica.address, session), reverse=True)
        ranked = [replace(replica, rank=n) for n, replica in enumerate(ranked)]
        return sorted(ranked, key=lambda replica: self._avoided.get(replica.address, 0.0) > now)

    def silent(self, replica: Replica) -> None:
        """It did not answer."""
        self._avoided[replica.address] = asyncio.get_running_loop().time() + _AVOIDED_S

    async def _look_up(self, service: str, now: float) -> None:
        found: dict[str, Replica] = {}
        named = False
        for given in self._given.get(service, ()):
            host, _, port = given.rpartition(":")
            named = named or not _is_literal(host)
            for replica in [Replica(given, host)] if _is_literal(host) else await _resolved(host, port):
                found[replica.address] = replica
        self._known[service] = tuple(found.values())
        self._stale_at[service] = now + _RESOLVED_S if named else float("inf")


def _is_literal(host: str) -> bool:
    """An IP address, or this machine: nothing to look up."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host == "localhost"
    return True


async def _resolved(host: str, port: str) -> list[Replica]:
    """What the name stands for; itself where that is not known now, so that the error names it."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError:
        return [Replica(f"{host}:{port}", host)]
    addresses = sorted({info[4][0] for info in found})
    return [Replica(f"[{a}]:{port}" if ":" in str(a) else f"{a}:{port}", host) for a in addresses]


def _weight(address: str, session: str) -> bytes:
    return hashlib.blake2b(f"{address} {session}".encode(), digest_size=8).digest()
