"""Waiting for what has to come."""

import socket
import time

#: Everything below takes seconds on a free core. More than this is a hang.
PATIENCE_S = 300


def until(what, check, patience_s=PATIENCE_S, every_s=0.5):
    """Asks `check` again and again until it has something, and returns that."""
    end = time.monotonic() + patience_s
    while not (found := check()):
        assert time.monotonic() < end, f"after {patience_s} s still not: {what() if callable(what) else what}"
        time.sleep(every_s)
    return found


def free_port(kind=socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
