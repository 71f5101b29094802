"""Why a broker was not reached over TLS: its certificate or ours. Kafka's client keeps the reason to itself."""

import asyncio
import ssl

from parlance import tls
from parlance.errors import Unavailable
from parlance.kafka_address import Address
from parlance.rpc import Credentials

_CONNECT_S = 3.0
# A broker that refuses our certificate says so, or hangs up, after the handshake: in TLS 1.3 ours comes last.
_REFUSES_S = 1.0


async def refusal(address: Address) -> Unavailable | None:
    """What stands between us and the first broker that listens; None where it is not the certificates."""
    for server in address.servers:
        host, _, port = server.rpartition(":")
        try:
            async with asyncio.timeout(_CONNECT_S if address.tls else _REFUSES_S):
                told = await (_try(host, int(port), address.tls) if address.tls else _wants_tls(host, int(port)))
        except (OSError, TimeoutError):
            continue
        return Unavailable(f"Kafka at {address} {told}") if told else None
    return None


async def _wants_tls(host: str, port: int) -> str:
    """Whether whoever listens begins to speak TLS; who it is does not matter."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection(host.strip("[]"), port, ssl=anybody)
    except ssl.SSLError:
        return ""
    writer.transport.abort()
    return "takes certificates: write kafka+tls://HOST:PORT, and set PARLANCE_TLS to the folder of 'make certificates'"


async def _try(host: str, port: int, shown: Credentials) -> str:
    own, ca = shown.cert, shown.ca
    try:
        reader, writer = await asyncio.open_connection(host.strip("[]"), port, ssl=tls.context(shown))
    except ssl.SSLCertVerificationError as exc:
        return f"shows a certificate that {ca} (PARLANCE_TLS) does not vouch for: {exc.verify_message}"
    except ssl.SSLError as exc:
        return f"does not speak TLS with us ({exc.reason}): is it kafka://, or not Kafka?"
    try:
        async with asyncio.timeout(_REFUSES_S):
            refused = not await reader.read(1)
    except TimeoutError:
        refused = False
    except (ssl.SSLError, ConnectionError):
        refused = True
    finally:
        writer.transport.abort()
    return f"refuses {own} (PARLANCE_TLS): it must be signed by the authority that the broker trusts" if refused else ""
