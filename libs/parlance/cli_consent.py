"""`parlance llm consent`: which vendors may see questions, and another word on one of them."""

from typing import Annotated

import typer

from parlance.cli_ask import Json, console, from_running, print_json, run_async
from parlance.errors import InvalidRequest
from parlance.route_table import one_of
from parlance.v1.gateway_service_pb2 import SetConsentRequest
from parlance.v1.llm_service_pb2 import RememberConsentRequest
from parlance.v1.turn_pb2 import Consent

WORDS = {"always": Consent.CONSENT_ALWAYS, "never": Consent.CONSENT_NEVER, "ask": Consent.CONSENT_UNSPECIFIED}
_SAID = {value: word for word, value in WORDS.items()}


def consent(
    vendor: Annotated[str, typer.Argument(help="Such as openai; none: what was said so far.", show_default=False)] = "",
    word: Annotated[str, typer.Argument(help="always, never, or ask: each time.", show_default=False)] = "",
    as_json: Json = False,
) -> None:
    """Which vendors may see your questions, as you told the assistant, and changing it."""
    if vendor and not word:
        raise InvalidRequest(f"say what {vendor} may do: parlance llm consent {vendor} always, never or ask")
    given = one_of(word, WORDS, "what can be said of a vendor") if vendor else Consent.CONSENT_UNSPECIFIED
    asked = RememberConsentRequest(vendor=vendor, consent=given)
    told = run_async(from_running("SetConsent", SetConsentRequest(consent=asked))).consents
    said = {name: _SAID.get(value, "") for name, value in sorted(told.by_vendor.items())}
    if as_json:
        print_json({"consents": said})
    elif said:
        console.print("\n".join(f"{name}: {word}" for name, word in said.items()), markup=False)
    else:
        console.print("Nothing was said for good: each vendor beyond the ceiling of its rule asks first.")
