"""The emulated model as a program: what it says to wrong settings, to bad HTTP, and when it is ended."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.emulators import settings
from infra.emulators.settings import BadSettings

ROOT = Path(__file__).parents[2]
# Without the packages of the environment: the standard library is all that it needs.
PROGRAM = [sys.executable, "-S", "-m", "infra.emulators.model"]


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*PROGRAM, *words], cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.fixture
def model() -> Iterator["tuple[subprocess.Popen[str], int]"]:
    """(the program, its port)"""
    words = [*PROGRAM, "--port", "0", "--fault", "stall:stall", "--answer", "Yes."]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            yield program, int(re.findall(r":(\d+)/v1$", program.stdout.readline().strip())[0])
        finally:
            program.kill()


def say(port: int, request: bytes) -> bytes:
    """All that comes back."""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def posted(body: bytes, path: str = "/v1/chat/completions") -> bytes:
    return b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_also_in_the_middle_of_an_answer(
    model: "tuple[subprocess.Popen[str], int]", number: int
) -> None:
    program, port = model
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        question = {"model": "emulated", "messages": [{"role": "user", "content": "stall"}]}
        connection.sendall(posted(json.dumps(question).encode()))
        assert b"200 OK" in say(port, b"GET /health HTTP/1.1\r\n\r\n")
        program.send_signal(number)
        out, error = program.communicate(timeout=30)
    assert program.returncode == 0 and error == ""
    assert re.fullmatch(r"questions by how they ended: (stall|hung up): 1\n", out)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (posted(b"{oops"), 400),
        (posted(b"[]"), 400),
        (posted(b"\xff"), 400),
        (b"hello\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"GET /" + b"x" * 65536 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET /v1/chat/completions HTTP/1.1\r\n\r\n", 405),
        (posted(b"{}", "/v1/embeddings"), 404),
    ],
)
def test_what_is_not_understood_is_answered_with_an_error_as_openai_writes_it(
    model: "tuple[subprocess.Popen[str], int]", request_: bytes, status: int
) -> None:
    head, _, body = say(model[1], request_).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    told = json.loads(body)["error"]
    assert told["message"] and told["type"] == "invalid_request_error" and {"code", "param"} <= told.keys()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--slots", "0"], "slots is a whole number from 1 to"),
        (["--first-delay-s", "nan"], "first_delay_s is a number from 0"),
        (["--answer", ""], "answers[0].text is a text that is not empty"),
        (["--fault", "429"], "KIND:SHARE"),
        (["--fault", "430:0.5"], "--fault.fault is one of 429, 500, stall, cut"),
        (["--fault", "429:2"], "--fault.share is a number above 0, at most 1"),
        (["--settings", "/nowhere.json"], "/nowhere.json cannot be read"),
        (["--port", "70000"], "--port"),
        (["--colour", "red"], "--colour"),
    ],
)
def test_a_wrong_flag_is_said_and_nothing_is_started(words: list[str], said: str) -> None:
    done = run(*words)
    assert done.returncode == 2 and said in done.stderr and done.stdout == "" and "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_said(model: "tuple[subprocess.Popen[str], int]") -> None:
    done = run("--port", str(model[1]))
    assert done.returncode == 1 and f"cannot listen at 127.0.0.1:{model[1]}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"slot": 8}, "there is no setting slot; there are slots,"),
        ({"slots": True}, "slots is a whole number"),
        ({"slots": 1.5}, "slots is a whole number"),
        ({"models": []}, "models names at least one"),
        ({"models": "m"}, "models is a list"),
        ({"answers": ["x"]}, r"answers\[0\] is a JSON object"),
        ({"answers": [{"contains": "x"}]}, r"answers\[0\] has no text"),
        ({"faults": [{"share": 0.1}]}, r"faults\[0\] does not say which"),
        ({"faults": [{"fault": "429", "share": 0}]}, r"faults\[0\].share is a number above 0"),
        ({"faults": [{"fault": "cut"}, {"fault": "cut", "when": 1}]}, r"there is no setting faults\[1\].when"),
    ],
)
def test_a_wrong_setting_is_told_with_its_place(said: dict[str, Any], told: str) -> None:
    with pytest.raises(BadSettings, match=told):
        settings.made(said)


@pytest.mark.parametrize(("text", "told"), [("{oops", "is no JSON"), ("[]", "a JSON object"), ("\xff", "is no JSON")])
def test_a_file_that_holds_no_settings_is_said(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "model.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadSettings, match=told):
        settings.load(str(file))


def test_the_help_shows_settings_that_are_right() -> None:
    shown = run("--help").stdout
    example = re.search(r"\{\"slots\".*?\]\}", shown, re.S)
    assert example is not None
    assert settings.made(json.loads(example[0])).faults[1].contains == "break off"
