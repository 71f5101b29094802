"""librdkafka's settings, and its errors made aiokafka's: what stands above knows one kind."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka.errors import KafkaConnectionError, for_code
from confluent_kafka import KafkaError

from parlance.kafka_address import Address

# Ours and the batch around it.
REQUEST_BYTES = 1 << 20
# How long a thread of ours waits for librdkafka before it looks whether there is something else to do.
LOOK_S = 0.1


def settings(address: Address) -> dict[str, Any]:
    """Of any of its clients. Its own log would go to standard error: what it has to say comes as errors."""
    told: dict[str, Any] = {
        "bootstrap.servers": ",".join(address.servers),
        "socket.nagle.disable": True,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        "log_level": 0,
    }
    if address.tls is not None:
        told |= {
            "security.protocol": "ssl",
            "ssl.ca.location": str(address.tls.ca),
            "ssl.certificate.location": str(address.tls.cert),
            "ssl.key.location": str(address.tls.key),
        }
    return told


def error_of(error: KafkaError) -> Exception:
    """Its own codes are negative, the broker's those of the protocol."""
    code = error.code()
    made: Exception = for_code(code)(error.str()) if code > 0 else KafkaConnectionError(error.str())
    return made


def tell(loop: asyncio.AbstractEventLoop, callback: Callable[..., None], *given: Any) -> bool:
    """From a thread. False: the loop was left without a word, and nobody is there any more."""
    try:
        loop.call_soon_threadsafe(callback, *given)
    except RuntimeError:
        return False
    return True
