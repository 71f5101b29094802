"""Keys and addresses of vendors: what a route or the catalogue says first, then the vendors' own variables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from parlance.errors import InvalidRequest

# A provider through another door than its vendor's own, where that vendor's key opens nothing.
_FRONT = "front"


@dataclass(frozen=True, slots=True)
class Vendor:
    """The variables of a provider: `keys`, of which the first that is set holds; `address`."""

    keys: tuple[str, ...]
    address: str


VENDORS: Mapping[str, Vendor] = {
    "anthropic": Vendor(("ANTHROPIC_API_KEY",), "ANTHROPIC_BASE_URL"),
    "openai": Vendor(("OPENAI_API_KEY",), "OPENAI_BASE_URL"),
    "google": Vendor(("GEMINI_API_KEY", "GOOGLE_API_KEY"), "GEMINI_BASE_URL"),
}


def filled(provider: str, settings: Mapping[str, str], secret: Callable[[str], str]) -> dict[str, str]:
    """The settings that a provider is made with: `api_key_env` has become the key that its variable holds, and what is
    not said is taken from the vendor's own variables. `secret` gives the value of a variable, "" where it is not set.

    A vendor's own key goes to the vendor, or where its own variable of the address says: where a route names an
    address, it names the key too. Raises InvalidRequest where a key is missing; the message names the variable, never
    a key."""
    made = dict(settings)
    if "api_key" in made:
        raise InvalidRequest("a route keeps no keys: --set api_key_env=NAME names the variable that holds it")
    name, vendor = made.pop("api_key_env", ""), VENDORS.get(provider)
    if name:
        made["api_key"] = _key((name,), secret)
    if vendor is not None and not made.get(_FRONT) and not made.get("base_url"):
        _of_vendor(made, vendor, secret)
    return made


def _of_vendor(made: dict[str, str], vendor: Vendor, secret: Callable[[str], str]) -> None:
    if address := secret(vendor.address):
        made["base_url"] = address
    # A server of one's own may want none.
    if "api_key" not in made and (not address or any(map(secret, vendor.keys))):
        made["api_key"] = _key(vendor.keys, secret)


def _key(names: tuple[str, ...], secret: Callable[[str], str]) -> str:
    for name in names:
        if value := secret(name):
            return value
    raise InvalidRequest(
        f"the variable {' or '.join(names)} is not set where llm runs, nor does its file of secrets hold it: set it, "
        f"or write {names[0]}=... into secrets.env in PARLANCE_HOME (or where PARLANCE_SECRETS_FILE says)"
    )
