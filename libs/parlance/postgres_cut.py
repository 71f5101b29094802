"""Ends a connection from another thread than the one that waits for its answer."""

import contextlib
import os
import socket
from typing import Any

import psycopg


def cut(connection: Any) -> None:
    """Whoever waits for an answer on it gets psycopg.OperationalError."""
    with (
        contextlib.suppress(OSError, AttributeError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as wire,
    ):
        wire.shutdown(socket.SHUT_RDWR)
