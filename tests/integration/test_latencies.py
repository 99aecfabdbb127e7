"""Latency histograms and counters of a server that gets real messages."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np

from edgelake import Client, MessageServer, Reply
from edgelake.wire import (
    bucket_bounds,
    counter_array,
    counts_of,
    encode_message,
    latency_arrays,
)
from tests.waiting import eventually

BLOCK = encode_message(b"get this")


def counted(server: MessageServer, name: str) -> int:
    """Return how many messages a histogram has."""
    return sum(counts_of(server.latencies()[name]))


def nothing(message: object) -> None:
    """Handle a message, without an answer."""


def test_every_message_is_in_every_histogram():
    with MessageServer("127.0.0.1", 0, threads=2, handler=nothing) as server:
        assert [sum(counts_of(found)) for found in server.latencies().values()] == [0, 0, 0]
        with socket.create_connection(server.address) as connection:
            connection.sendall(BLOCK * 50)
        eventually(lambda: counted(server, "handled") == 50, "50 handled messages")
        assert (counted(server, "received"), counted(server, "waited")) == (50, 50)


def test_a_batch_counts_as_all_its_messages():
    with MessageServer("127.0.0.1", 0, threads=1, handler=nothing, batch=True) as server:
        with socket.create_connection(server.address) as connection:
            connection.sendall(BLOCK * 300)
        eventually(lambda: server.statistics()["handled"] == 300, "300 handled messages")
        eventually(lambda: counted(server, "handled") == 300, "300 in the histogram")


def test_only_a_message_that_began_before_took_time_to_come():
    with MessageServer("127.0.0.1", 0, threads=1, handler=nothing) as server:
        with socket.create_connection(server.address) as connection:
            connection.sendall(BLOCK[:1000])
            eventually(lambda: server.statistics()["unfinished"] == 1, "the beginning")
            connection.sendall(BLOCK[1000:] + BLOCK * 3)
            eventually(lambda: server.statistics()["messages"] == 4, "four messages")
        counts = counts_of(server.latencies()["received"])
        assert (counts[0], sum(counts)) == (3, 4)


def test_messages_that_are_answered_natively_were_received_too():
    with MessageServer("127.0.0.1", 0, threads=1, handler=nothing) as server:
        server.route("get this", Reply.ok("that"))
        with Client(f"127.0.0.1:{server.address[1]}") as client:
            assert client.request("get this") == "that"
        assert (counted(server, "received"), counted(server, "waited")) == (1, 0)


def test_arrays_hold_what_the_server_counts():
    with MessageServer("127.0.0.1", 0, threads=3, handler=nothing) as server:
        with socket.create_connection(server.address) as connection:
            connection.sendall(BLOCK * 20)
        eventually(lambda: counted(server, "handled") == 20, "20 handled messages")
        eventually(lambda: server.statistics()["connections"] == 0, "the end")
        arrays = latency_arrays(server)
        counters = counter_array(server)
        assert set(arrays) == {"received", "waited", "handled"}
        for array in arrays.values():
            assert array.shape == (len(bucket_bounds()),)
            assert (array.dtype, array.sum()) == (np.uint64, 20)
        assert counters.shape == (3,)
        assert counters["messages"].sum() == counters["blocks"].sum() == 20
        assert [
            dict(zip(counters.dtype.names, row.tolist(), strict=True)) for row in counters
        ] == server.threads()


def test_a_server_that_was_never_started_has_no_rows():
    server = MessageServer("127.0.0.1", 0, handler=nothing)
    assert counter_array(server).shape == (0,)


def test_figures_need_no_numpy():
    program = (
        "import sys; from edgelake.wire import Latency, MessageServer;"
        "server = MessageServer('127.0.0.1', 0, handler=print);"
        "assert Latency.of(server.latencies()['waited']).count == 0;"
        "assert 'numpy' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, timeout=60)
