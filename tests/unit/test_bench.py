"""The benchmarks keep working: they build, and what they print makes sense."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench.build import build
from bench.harness import FLOOR, Load, Target, compare, run_load, running
from edgelake.limits import BLOCK_BYTES

Programs = dict[str, Path]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """Both C programs, compiled for this run with warnings as errors."""
    return build(tmp_path_factory.mktemp("bench"))


def floor(programs: Programs, message_bytes: int = BLOCK_BYTES) -> Target:
    return Target(FLOOR, (str(programs["floor"]), "2", str(message_bytes)))


def test_built_again_only_when_older(programs: Programs) -> None:
    folder = programs["load"].parent
    before = programs["load"].stat().st_mtime_ns
    assert build(folder) == programs
    assert programs["load"].stat().st_mtime_ns == before


@pytest.mark.parametrize("clients", [1, 8])
def test_every_message_reaches_the_floor(programs: Programs, clients: int) -> None:
    load = Load(clients=clients, messages=100, seconds=10.0)
    with running(floor(programs)) as server:
        result = run_load(server.port, load, programs["load"])
    assert (result.messages, result.errors, result.first_error) == (100, 0, None)
    assert server.messages == 100
    assert result.rate == pytest.approx(100 / result.seconds, rel=0.01)
    assert result.p50_us is not None
    assert result.p99_us is not None
    assert result.p999_us is not None
    assert result.max_us is not None
    assert 0 < result.p50_us <= result.p99_us <= result.p999_us <= result.max_us


def test_messages_of_several_blocks(programs: Programs) -> None:
    load = Load(clients=4, messages=50, seconds=10.0, blocks=4)
    with running(floor(programs, 4 * BLOCK_BYTES)) as server:
        assert run_load(server.port, load, programs["load"]).messages == 50
    assert server.messages == 50


def test_kept_streams_end_at_whole_messages(programs: Programs) -> None:
    load = Load(clients=2, messages=1001, seconds=10.0, mode="kept")
    with running(floor(programs, 0)) as server:
        result = run_load(server.port, load, programs["load"])
    assert (result.messages, result.errors, result.p50_us) == (1001, 0, None)
    assert server.messages == 1001


def test_a_time_limit_ends_the_load(programs: Programs) -> None:
    with running(floor(programs)) as server:
        result = run_load(server.port, Load(clients=2, seconds=0.1), programs["load"])
    assert result.messages > 0
    assert server.messages == result.messages


def test_a_server_that_never_closes_is_an_error(programs: Programs) -> None:
    command = [str(programs["load"]), "--messages", "3", "--clients", "3", "--timeout", "0.1"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        done = subprocess.run(
            [*command, "--port", port], capture_output=True, timeout=10.0, check=True
        )
    result = json.loads(done.stdout)
    assert (result["messages"], result["errors"]) == (0, 3)
    assert result["first_error"] == "receive: timeout"


def test_the_message_is_a_block_of_the_protocol(programs: Programs) -> None:
    command = [str(programs["load"]), "--messages", "1", "--command", "get status"]
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
        with subprocess.Popen(command, stdout=subprocess.PIPE) as load:
            with listener.accept()[0] as peer, peer.makefile("rb") as stream:
                received = stream.read()
            output, _ = load.communicate(timeout=10.0)
    assert received == expected
    assert json.loads(output)["messages"] == 1


def test_a_closed_port_is_an_error(programs: Programs) -> None:
    with running(floor(programs)) as server:
        port = server.port
    with pytest.raises(RuntimeError, match=r"no message got through: .*refused"):
        run_load(port, Load(clients=2, messages=5), programs["load"])


def test_a_target_that_fails_is_named() -> None:
    target = Target("broken", ("sh", "-c", "echo out of luck >&2; exit 3"))
    with (
        pytest.raises(RuntimeError, match="broken: ended with status 3: out of luck"),
        running(target),
    ):
        pytest.fail("the target never ran")


def test_comparison_divides_by_the_floor(programs: Programs) -> None:
    again = Target("again", floor(programs).command)
    load = Load(clients=2, messages=200, seconds=10.0)
    (comparison,) = compare([floor(programs), again], [load], rounds=2)
    assert {name: len(found) for name, found in comparison.rounds.items()} == {FLOOR: 2, "again": 2}
    assert comparison.ratio(FLOOR, "rate") == 1.0
    ratio = comparison.ratio("again", "rate")
    assert ratio is not None
    assert ratio > 0
    assert json.loads(json.dumps(comparison.as_json()))["targets"]["again"]["errors"] == 0


def test_a_server_that_handles_less_than_it_took_is_refused(programs: Programs) -> None:
    script = (
        "import json, socket, sys, threading\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "print(listener.getsockname()[1], flush=True)\n"
        "def serve():\n"
        "    while True:\n"
        "        peer = listener.accept()[0]\n"
        "        with peer:\n"
        "            while peer.recv(4096):\n"
        "                pass\n"
        "threading.Thread(target=serve, daemon=True).start()\n"
        "sys.stdin.read()\n"
        "print(json.dumps({'messages': 0}))\n"
    )
    lazy = Target("lazy", (sys.executable, "-c", script))
    with pytest.raises(RuntimeError, match="lazy: handled 0 of 10 messages"):
        compare([floor(programs), lazy], [Load(clients=1, messages=10, seconds=5.0)], rounds=1)
