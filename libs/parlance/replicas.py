"""Which replica of a service is asked: always the same one for a session, the next where it does not answer.

Rendezvous hashing (Thaler and Ravishankar, 1998): a replica that comes or goes moves only its own sessions.
"""

import asyncio
import hashlib
from collections.abc import Mapping

# A replica that did not answer is asked last for so long.
_AVOIDED_S = 2.0


class Replicas:
    """`addresses`: "Llm" -> "one:50054,two:50054"."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = {service: tuple(given.split(",")) for service, given in addresses.items() if given}
        self._avoided: dict[str, float] = {}

    def ranked(self, service: str, session: str) -> list[str]:
        """All replicas, in the order in which they are asked; [] where no address is known."""
        known = self._addresses.get(service, ())
        if len(known) < 2:
            return list(known)
        now = asyncio.get_running_loop().time()
        ranked = sorted(known, key=lambda address: _weight(address, session), reverse=True)
        return sorted(ranked, key=lambda address: self._avoided.get(address, 0.0) > now)

    def silent(self, address: str) -> None:
        """It did not answer."""
        self._avoided[address] = asyncio.get_running_loop().time() + _AVOIDED_S


def _weight(address: str, session: str) -> bytes:
    return hashlib.blake2b(f"{address} {session}".encode(), digest_size=8).digest()
