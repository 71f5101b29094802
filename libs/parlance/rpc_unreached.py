"""Why a call reached no service, told from what gRPC says: nobody is there, or the certificates do not fit."""

from parlance.errors import Mistrusted, Unreachable
from parlance.rpc import Credentials


def unreached(method: str, address: str, details: str, shown: Credentials | None) -> Unreachable:
    """`shown`: the certificate that we showed. A peer that refuses it hangs up without a word."""
    why = "" if "refused" in details or "failed to connect" not in details else _why(details, shown)
    if why:
        return Mistrusted(f"{method}: {address} {why} ({details})")
    return Unreachable(f"{method}: nothing answers at {address}; does the service run there? ({details})")


def _why(details: str, shown: Credentials | None) -> str:
    hangs_up = "Socket closed" in details or "reset" in details
    if shown is None:
        return "hangs up: where its service has certificates, set PARLANCE_TLS here too" if hangs_up else ""
    if "CERTIFICATE_VERIFY_FAILED" in details or "not match" in details:
        return f"shows a certificate that {shown.ca} (PARLANCE_TLS) does not vouch for"
    if "handshake failed" in details:
        return "does not speak TLS with us: has its service PARLANCE_TLS too?"
    if hangs_up:
        return f"hangs up: {shown.cert} (PARLANCE_TLS) must be in date and of the authority that its service trusts"
    return ""
