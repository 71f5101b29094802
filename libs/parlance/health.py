"""Asks a service whether it is well, over gRPC's health protocol: a container's health check.

    python -I -S health.py HOST:PORT [TLS-FOLDER]

It runs every few seconds in every container, so it imports nothing but the standard library: a Python with grpc takes
ten times as long to start. One call is a handful of HTTP/2 frames (RFC 9113). Exits with 0 where the answer is SERVING.
"""

import socket
import ssl
import struct
import sys
from pathlib import Path

_TIMEOUT_S = 3.0
_DATA, _HEADERS, _SETTINGS, _GOAWAY = 0, 1, 4, 7
_END_STREAM, _END_HEADERS = 1, 4
# grpc.health.v1.HealthCheckResponse{status: SERVING}, and the request about the server as a whole, each behind
# gRPC's five bytes.
_SERVING = b"\x00\x00\x00\x00\x02\x08\x01"
_REQUEST = b"\x00\x00\x00\x00\x00"


def check(address: str, tls: Path | None = None) -> str:
    """What is wrong; "" while all is well. `tls`: the folder with ca.crt and the service's own NAME.crt and NAME.key,
    and nobody else's."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return f"an address is HOST:PORT, not '{address}'"
    try:
        with _connected("127.0.0.1" if host in ("", "0.0.0.0", "[::]") else host, int(port), tls) as connection:
            connection.sendall(_call(f"localhost:{port}", b"https" if tls else b"http"))
            return _answer(connection)
    except OSError as exc:
        return f"{address}: {exc}"


def _connected(host: str, port: int, tls: Path | None) -> socket.socket:
    connection = socket.create_connection((host.strip("[]"), port), _TIMEOUT_S)
    if tls is None:
        return connection
    context = ssl.create_default_context(cafile=tls / "ca.crt")
    # Its own container: whoever answers must be signed by our authority, whatever name it goes by.
    context.check_hostname = False
    key = next(tls.glob("*.key"), tls / "NAME.key")
    context.load_cert_chain(key.with_suffix(".crt"), key)
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(connection)


def _call(authority: str, scheme: bytes) -> bytes:
    """A client's first bytes and one whole call of Health.Check. Headers are literals, never indexed (RFC 7541)."""
    headers = b"".join(
        b"\x00" + _text(key) + _text(value)
        for key, value in (
            (b":method", b"POST"),
            (b":scheme", scheme),
            (b":path", b"/grpc.health.v1.Health/Check"),
            (b":authority", authority.encode()),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
        )
    )
    return b"".join(
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            _frame(_SETTINGS, 0, 0, b""),
            _frame(_HEADERS, _END_HEADERS, 1, headers),
            _frame(_DATA, _END_STREAM, 1, _REQUEST),
        )
    )


def _text(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">I", len(body))[1:] + struct.pack(">BBI", kind, flags, stream) + body


def _answer(connection: socket.socket) -> str:
    data = b""
    with connection.makefile("rb") as stream:
        while len(head := stream.read(9)) == 9:
            kind, flags, body = head[3], head[4], stream.read(int.from_bytes(head[:3]))
            if kind == _DATA:
                data += body
            if kind == _GOAWAY or (kind in (_DATA, _HEADERS) and flags & _END_STREAM):
                break
    return "" if data == _SERVING else "it does not serve"


def main() -> int:
    address, tls = (*sys.argv[1:], "", "")[:2]
    wrong = check(address, Path(tls) if tls else None)
    if wrong:
        print(wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
