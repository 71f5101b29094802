"""What a client may say of itself."""

from parlance import clock, ids
from parlance.errors import InvalidRequest
from parlance.v1.gateway_service_pb2 import Hello

NAME_MAX = 200
TEXT_MAX = 4000


def check(hello: Hello) -> None:
    """Raises InvalidRequest for a hello that makes no sense."""
    if max(len(hello.session_id), len(hello.device_id), len(hello.run)) > NAME_MAX:
        raise InvalidRequest(f"the name of a session, a device or a run has at most {NAME_MAX} characters")
    if hello.time_zone and not clock.known_time_zone(hello.time_zone):
        raise InvalidRequest("a time zone is an IANA name, such as Europe/Madrid")
    if hello.HasField("resume") and not ids.is_uuid(hello.resume.turn_id):
        raise InvalidRequest("a conversation is resumed with the id of a turn, as Accepted gave it")
