"""Fixed rates and bursts: a message's latency counts from when it was due."""

from __future__ import annotations

import socket
import threading

import pytest

from bench.running import running
from tests.unit.bench_programs import floor, load, receive_block, serving

STALL_S = 0.2


def test_a_rate_is_kept() -> None:
    with running(floor()) as server:
        found = load(server.port, "--rate=1000", "--messages=200", "--clients=8", "--threads=2")
    assert (found["messages"], found["errors"], found["unsent"]) == (200, 0, 0)
    # The last one is due after 199 ms; on a busy machine it may come later, never earlier.
    assert found["seconds"] >= 0.199
    assert server.messages == 200


def test_a_stall_is_charged_to_every_message_that_was_due() -> None:
    stalled = threading.Event()

    def handle(peer: socket.socket) -> None:
        receive_block(peer)
        if not stalled.is_set():
            stalled.set()
            threading.Event().wait(STALL_S)  # nobody sets it

    with serving(handle) as port:
        # One client: while it waits, 20 messages become due.
        found = load(port, "--rate=100", "--messages=40", "--clients=1")
    assert (found["messages"], found["errors"]) == (40, 0)
    assert found["max_us"] >= STALL_S * 1e6
    assert found["p999_us"] >= STALL_S * 1e6
    # A closed loop would have charged one message of 40. Those that were due in
    # the first half of the stall waited for the other half at least.
    late = dict(map(tuple, found["percentiles"]))
    assert late[75] >= STALL_S / 2 * 1e6
    assert found["late"] >= 15


def test_requests_of_an_exchange_keep_a_rate() -> None:
    with running(floor(kind="answer")) as server:
        found = load(
            server.port, "--exchange", "--rate=1000", "--messages=100", "--clients=2", "--depth=8"
        )
    assert (found["messages"], found["errors"]) == (100, 0)
    assert found["seconds"] >= 0.099
    assert server.messages == 100


def test_what_was_due_and_never_started_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        found = load(port, "--rate=100", "--seconds=0.3", "--clients=2", "--timeout=0.2")
    assert found["messages"] == 0
    assert found["errors"] + found["unsent"] == 30
    assert found["unsent"] > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_bursts_start_together_and_pause(threads: int) -> None:
    with running(floor()) as server:
        found = load(
            server.port, "--burst=0.05", "--messages=32", "--clients=8", f"--threads={threads}"
        )
    assert (found["messages"], found["errors"]) == (32, 0)
    assert found["seconds"] >= 0.15  # four bursts, three pauses
    assert server.messages == 32
