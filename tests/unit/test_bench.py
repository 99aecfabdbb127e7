"""The floors and the load generator build, and count right."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench.build import ROOT, build
from bench.load import Load, run_load
from bench.running import Target, running
from edgelake.limits import BLOCK_BYTES
from tests.unit.bench_programs import floor, load, programs


def test_built_again_only_when_older() -> None:
    folder = programs()["load"].parent
    before = programs()["load"].stat().st_mtime_ns
    assert build(folder) == programs()
    assert programs()["load"].stat().st_mtime_ns == before


@pytest.mark.parametrize("clients", [1, 8])
def test_every_message_reaches_the_floor(clients: int) -> None:
    with running(floor()) as server:
        result = run_load(server.port, Load(clients=clients, messages=100), programs()["load"])
    assert (result.messages, result.errors, result.first_error) == (100, 0, None)
    assert server.messages == 100
    assert result.rate == pytest.approx(100 / result.seconds, rel=0.01)
    assert result.p50_us is not None
    assert result.p99_us is not None
    assert result.p999_us is not None
    assert result.max_us is not None
    assert 0 < result.p50_us <= result.p99_us <= result.p999_us <= result.max_us


def test_percentiles_rise_to_the_longest() -> None:
    with running(floor()) as server:
        result = run_load(server.port, Load(clients=4, messages=200), programs()["load"])
    parts, latencies = zip(*result.percentiles, strict=True)
    assert parts == (0, 10, 25, 50, 75, 90, 95, 99, 99.5, 100)  # of 200, no 99.9
    assert list(latencies) == sorted(latencies)
    assert latencies[-1] == result.max_us


@pytest.mark.parametrize("blocks", [4, 64])
def test_messages_of_several_blocks(blocks: int) -> None:
    with running(floor(blocks * BLOCK_BYTES)) as server:
        sent = run_load(
            server.port, Load(clients=4, messages=50, blocks=blocks), programs()["load"]
        )
        assert sent.messages == 50
    assert server.messages == 50


@pytest.mark.parametrize("blocks", [1, 4])
def test_kept_streams_end_at_whole_messages(blocks: int) -> None:
    stream = Load(clients=2, messages=1001, mode="kept", blocks=blocks)
    with running(floor(blocks * BLOCK_BYTES, "stream")) as server:
        result = run_load(server.port, stream, programs()["load"])
    assert (result.messages, result.errors, result.p50_us) == (1001, 0, None)
    assert server.messages == 1001


@pytest.mark.parametrize(("clients", "depth", "blocks"), [(1, 1, 1), (3, 16, 1), (2, 16, 4)])
def test_each_request_of_an_exchange_is_answered(clients: int, depth: int, blocks: int) -> None:
    exchange = Load(clients=clients, messages=1001, mode="exchange", depth=depth, blocks=blocks)
    with running(floor(blocks * BLOCK_BYTES, "answer")) as server:
        result = run_load(server.port, exchange, programs()["load"])
    assert (result.messages, result.errors) == (1001, 0)
    assert server.messages == 1001
    assert result.p50_us is not None


def test_a_time_limit_ends_the_load() -> None:
    with running(floor()) as server:
        result = run_load(server.port, Load(clients=2, seconds=0.1), programs()["load"])
    assert result.messages > 0
    assert server.messages == result.messages


def test_commands_are_sent_in_turns(tmp_path: Path) -> None:
    commands = tmp_path / "commands.txt"
    commands.write_text("# of a node\nset a = 5\n\nget status\n")
    received = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10.0)
        command = [str(programs()["load"]), "--messages=4", f"--commands={commands}"]
        command.append(f"--port={listener.getsockname()[1]}")
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            for _ in range(4):
                with listener.accept()[0] as peer, peer.makefile("rb") as stream:
                    block = stream.read()
                    received.append(block[207:].rstrip(b"\0").decode())
            assert process.wait(10.0) == 0
    assert received == ["set a = 5", "get status"] * 2


def test_a_server_that_never_closes_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        result = load(port, "--messages=3", "--clients=3", "--timeout=0.1")
    assert (result["messages"], result["errors"]) == (0, 3)
    assert result["first_error"] == "receive: timeout"


def test_a_server_that_never_answers_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        result = load(port, "--exchange", "--depth=4", "--messages=4", "--timeout=0.1")
    assert (result["messages"], result["errors"]) == (0, 4)
    assert result["first_error"] == "receive: timeout"


def test_the_message_is_a_block_of_the_protocol() -> None:
    command = [str(programs()["load"]), "--messages", "1", "--command", "get status"]
    command += ["--source-port", "33148"]
    expected = bytearray(BLOCK_BYTES)
    # The annotated request of docs/protocol.md.
    for offset, value in ((33, 1), (35, 1), (36, 6), (40, 10), (46, 10), (57, 1), (61, 1)):
        expected[offset] = value
    expected[72:82] = b"\x09127.0.0.1"
    expected[203:205] = (33148).to_bytes(2, "big")
    expected[207:217] = b"get status"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10.0)
        command += ["--port", str(listener.getsockname()[1])]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            with listener.accept()[0] as peer, peer.makefile("rb") as stream:
                received = stream.read()
            assert process.wait(10.0) == 0
    assert received == expected


def test_a_closed_port_is_an_error() -> None:
    with running(floor()) as server:
        port = server.port
    with pytest.raises(RuntimeError, match=r"no message got through: .*refused"):
        run_load(port, Load(clients=2, messages=5), programs()["load"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--host=192.0.2.1"],  # only this machine
        ["--clients=0"],
        ["--clients=20000"],
        ["--seconds=1e9"],
        ["--depth=16"],  # of a connection per message
        ["--kept", "--exchange"],
        ["--kept", "--rate=5"],
        ["--rate=5", "--burst=1"],
        ["--exchange", "--burst=1"],
        ["--exchange", "--clients=16000", "--blocks=4096"],  # too many bytes
        ["--command", "x" * 1842],
        ["surplus"],
    ],
)
def test_what_has_no_bounds_is_refused(arguments: list[str]) -> None:
    command = [str(programs()["load"]), "--port=9", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=10.0, check=False)
    assert done.returncode == 2
    assert done.stderr


def test_a_target_that_fails_is_named() -> None:
    target = Target("broken", ("sh", "-c", "echo out of luck >&2; exit 3"))
    with (
        pytest.raises(RuntimeError, match="broken: ended with status 3: out of luck"),
        running(target),
    ):
        pytest.fail("the target never ran")


@pytest.mark.parametrize("server", ["floor", "target", "asyncio_peer", "thread_peer"])
def test_a_server_does_not_outlive_the_harness(server: str) -> None:
    command = [sys.executable, "-m", f"bench.{server}"]
    if server == "floor":
        command = [str(programs()["floor"]), "2"]
    harness = (
        "import sys, threading\n"
        "from bench.running import Target, running\n"
        "with running(Target('server', tuple(sys.argv[1:]))) as server:\n"
        "    print(server.process.pid, flush=True)\n"
        "    threading.Event().wait()\n"
    )
    arguments = [sys.executable, "-c", harness, *command]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        child = os.pidfd_open(int(process.stdout.readline()))
        process.kill()
        process.wait(10.0)
    try:
        # The descriptor of a process is readable when it has ended.
        assert select.select([child], [], [], 30.0)[0]
    finally:
        os.close(child)
