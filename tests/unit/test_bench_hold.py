"""Connections that are held open beside a load."""

from __future__ import annotations

import json
import socket
import subprocess
from contextlib import ExitStack

import pytest

from bench.load import Hold, Load, holding, run_load
from bench.running import running
from tests.unit.bench_programs import floor, programs


@pytest.mark.parametrize(("kind", "sent"), [("idle", b""), ("stalled", bytes(1024))])
def test_connections_are_held_until_standard_input_closes(kind: str, sent: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        listener.settimeout(10.0)
        with holding(listener.getsockname()[1], Hold(kind, 20), programs()["hold"]):
            peers = [stack.enter_context(listener.accept()[0]) for _ in range(20)]
            for peer in peers:
                peer.settimeout(10.0)
                if sent:
                    block = b""
                    while len(block) < len(sent):
                        block += peer.recv(4096)
                    assert len(block) == len(sent)
                peer.setblocking(False)
                with pytest.raises(BlockingIOError):
                    peer.recv(1)
        for peer in peers:
            peer.settimeout(10.0)
            with pytest.raises(ConnectionResetError):
                peer.recv(1)


@pytest.mark.parametrize("kind", ["idle", "stalled"])
def test_a_load_runs_beside_them(kind: str) -> None:
    with (
        running(floor()) as server,
        holding(server.port, Hold(kind, 300), programs()["hold"]),
    ):
        load = Load(clients=4, messages=100)
        assert run_load(server.port, load, programs()["load"]).messages == 100
    assert server.messages == 100


def test_slow_readers_of_plain_answers_stop_the_floor_for_themselves_only() -> None:
    with (
        running(floor(kind="answer")) as server,
        holding(server.port, Hold("slow", 5), programs()["hold"], plain=True),
    ):
        load = Load(clients=2, messages=100, mode="exchange")
        assert run_load(server.port, load, programs()["load"]).messages == 100


def test_connections_that_the_server_closes_are_told() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        ExitStack() as stack,
        holding(listener.getsockname()[1], Hold("idle", 2), programs()["hold"]) as held,
    ):
        first, _ = [stack.enter_context(listener.accept()[0]) for _ in range(2)]
        first.shutdown(socket.SHUT_WR)
        # The holder closes its end when it has seen that the server closed.
        first.settimeout(10.0)
        with pytest.raises(ConnectionResetError):
            first.recv(1)
    assert held.closed == 1


def test_it_ends_by_its_time() -> None:
    command = [str(programs()["hold"]), "--seconds=0.1", "--connections=3"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command.append(f"--port={listener.getsockname()[1]}")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as hold:
            assert hold.stdout is not None
            assert hold.stdout.readline() == b"ready\n"
            found = json.loads(hold.stdout.readline())
            assert hold.wait(10.0) == 0
    assert found == {"connections": 3, "closed_by_server": 0, "written": 0}
