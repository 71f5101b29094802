"""The policy hook: may this turn be answered? The deployment's own policy goes here."""

from collections.abc import Callable

from parlance.v1.intent_pb2 import IntentRecognized
from parlance.v1.turn_pb2 import Error, Header

# None: go on; an Error: the turn ends refused with it.
Policy = Callable[[Header, IntentRecognized], Error | None]


def allow_all(header: Header, event: IntentRecognized) -> Error | None:
    return None
