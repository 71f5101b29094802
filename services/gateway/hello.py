"""What a client may say of itself."""

from parlance import clock, ids
from parlance.errors import InvalidRequest
from parlance.v1.gateway_service_pb2 import Hello, Text

NAME_MAX = 200
TEXT_MAX = 4000
# The moment, in microseconds since 1970, before which a run may believe to be: the year 2100.
_AS_OF_MAX_US = 4_102_444_800_000_000


def check(hello: Hello) -> None:
    """Raises InvalidRequest for a hello that makes no sense."""
    if max(map(len, (hello.session_id, hello.device_id, hello.run, hello.person))) > NAME_MAX:
        raise InvalidRequest(f"the name of a session, a device, a run or a person has at most {NAME_MAX} characters")
    if hello.person and not hello.run:
        raise InvalidRequest("a person is named in runs alone: what is asked live is its user's")
    if hello.time_zone and not clock.known_time_zone(hello.time_zone):
        raise InvalidRequest("a time zone is an IANA name, such as Europe/Madrid")
    if hello.HasField("resume") and not ids.is_uuid(hello.resume.turn_id):
        raise InvalidRequest("a conversation is resumed with the id of a turn, as Accepted gave it")


def wrong_in(typed: Text, text: str, run: str) -> str:
    """What makes no sense in a question whose words are `text`; empty: nothing."""
    if not text or len(text) > TEXT_MAX or len(typed.name) > NAME_MAX:
        return f"a question has 1 to {TEXT_MAX} characters, and its name, if any, at most {NAME_MAX}"
    if typed.as_of_us and not run:
        return "as_of_us is for runs: what is asked live is asked now"
    if not 0 <= typed.as_of_us < _AS_OF_MAX_US:
        return "as_of_us is a moment between 1970 and 2100, in microseconds since 1970"
    return ""


def turn_id_of(run: str, session: str, name: str) -> str:
    """In a run it derives from the name that the client gave the turn; else that is its id, where it is one."""
    if run and name:
        return ids.derived(run, session, name)
    return name if ids.is_uuid(name) else ids.new()
