"""A vendor on a real port of this machine that answers well or badly, as its test says, and keeps what it was asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = ("The sky ", "is blue ", "because of ", "the air.")


class Vendor:
    """Speaks Chat Completions. `status`: of its answers; with `echo` a refusal repeats the key and the question;
    `stall`: it takes the question and says nothing."""

    def __init__(self) -> None:
        self.status, self.echo, self.stall = 200, False, False
        self.code = "server_error"
        self.keys: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.over = threading.Event()
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"]))
        key = " ".join(filter(None, map(handler.headers.get, ("authorization", "x-goog-api-key", "x-api-key"))))
        self.keys.append(key)
        self.asked.append(json.loads(body))
        if self.stall:
            self.over.wait(60)
        elif self.status != 200:
            said = f"{key} may not ask {body.decode()}" if self.echo else "no"
            self._send(handler, "application/json", json.dumps({"error": {"message": said, "code": self.code}}), key)
        else:
            self._send(handler, "text/event-stream", "".join(_chunks()), key)

    def _send(self, handler: BaseHTTPRequestHandler, kind: str, text: str, key: str) -> None:
        handler.send_response(self.status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(text.encode())))
        if self.echo:
            handler.send_header("X-Key", key)
        handler.end_headers()
        handler.wfile.write(text.encode())


def _chunks() -> Iterator[str]:
    made: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": {"content": word}}]} for word in WORDS]
    made.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    made.append({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 4, "total_tokens": 11}})
    yield from (f"data: {json.dumps(chunk)}\n\n" for chunk in made)
    yield "data: [DONE]\n\n"


@contextmanager
def vendor() -> Iterator[Vendor]:
    made = Vendor()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            made.answer(self)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        made.over.set()
        server.shutdown()
        server.server_close()
