"""The parts that measure small things and costs: in a tiny setting, what they find makes sense."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import queries
from bench.child import Child, cpu_seconds, descriptors, memory, running_child, wait_until
from bench.costs import CostsPart
from bench.master import running_floor, running_master
from bench.micro import MicroPart, suites
from bench.part import Part, Settings
from bench.soak import SoakSize
from bench.start_up import TO_PROMPT
from edgelake.wire import request_blocks
from tests.waiting import eventually

TINY = Settings(quick=True, rounds=2, seconds=0.1, threads=1)
BLOCK = request_blocks("set a = 5", "127.0.0.1", 0)


def shown(part: Part, found: dict[str, Any]) -> str:
    """Return what a part prints of its results."""
    console = Console(file=io.StringIO(), width=160)
    part.show(console, found)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@contextmanager
def connected(server: Child, count: int) -> Iterator[list[socket.socket]]:
    """Hold connections to a child open."""
    with ExitStack() as stack:
        address = ("127.0.0.1", server.port)
        yield [
            stack.enter_context(socket.create_connection(address, timeout=10.0))
            for _ in range(count)
        ]


# ------------------------------------------------------------------- parts


def test_costs_in_a_tiny_setting() -> None:
    steps: list[str] = []
    part = CostsPart(connections=(0, 20), size=SoakSize(kept=2000, connections=100))
    found = part.run(TINY, steps.append)
    assert steps

    names = [one["name"] for one in found["start_up"]]
    assert TO_PROMPT in names
    assert all(0 < one["least_s"] <= one["median_s"] for one in found["start_up"])
    assert found["start_up"][0]["ratio"] == 1.0

    idle = found["idle_memory"]
    assert 0 < idle["private_bytes"] <= idle["resident_bytes"]

    none, some = found["connections"]
    assert (none["connections"], none["per_connection_bytes"]) == (0, 0.0)
    assert some["connections"] == 20
    assert some["resident_bytes"] > 0

    soaked = found["soak"]
    assert (soaked["messages"], soaked["connection_messages"]) == (2100, 100)
    assert soaked["descriptors_after"] == soaked["descriptors_before"] > 0
    assert soaked["resident_after"] > 0

    text = shown(part, found)
    assert TO_PROMPT in text
    assert "2,100 messages" in text


def test_queries_in_a_tiny_setting() -> None:
    rows = queries.measure((7, 40), quick=True)
    assert {(row["policies"], row["query"]) for row in rows} == {
        (size, name) for size in (7, 40) for name in queries.QUERIES
    }
    assert all(0 < row["median_us"] <= row["p99_us"] and row["calls"] > 2 for row in rows)
    assert all(row["found"] for row in rows if row["query"] != "between")
    console = Console(file=io.StringIO(), width=160)
    queries.show(console, rows)
    assert isinstance(console.file, io.StringIO)
    assert "by id" in console.file.getvalue()


def test_micro_divides_by_the_floor_of_the_group() -> None:
    part = MicroPart(["bench/bench_codec.py"])
    found = part.run(TINY, lambda _step: None)
    groups: dict[str, dict[str, float]] = {}
    for one in found["groups"]:
        groups.setdefault(one["group"], {})[one["name"]] = one["median_s"]
        floor_s = groups[one["group"]]["floor"]
        assert one["ratio"] == pytest.approx(one["median_s"] / floor_s)
        assert one["extra"]["bytes"] > 0
    assert {"floor", "decode_block"} == set(groups["codec.decode 1 block"])
    view = next(one for one in found["groups"] if one["name"] == "header_view")
    assert view["extra"]["messages"] == 1000
    assert "header view 1,000 blocks" in shown(part, found)


def test_micro_takes_functions_without_floor_or_figures(tmp_path: Path) -> None:
    suite = tmp_path / "bench_alone.py"
    suite.write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('size', [1, 2], ids=['one', 'two'])\n"
        "def bench_alone(benchmark, size):\n"
        "    benchmark.group = 'alone'\n"
        "    benchmark(lambda: size)\n"
    )
    part = MicroPart([suite])
    found = part.run(TINY, lambda _step: None)
    assert [one["name"] for one in found["groups"]] == ["alone[one]", "alone[two]"]
    assert [one["ratio"] for one in found["groups"]] == [None, None]
    assert "alone[two]" in shown(part, found)


def test_micro_names_what_failed(tmp_path: Path) -> None:
    suite = tmp_path / "bench_broken.py"
    suite.write_text("def bench_broken(benchmark):\n    assert benchmark(lambda: 0)\n")
    with pytest.raises(RuntimeError, match="bench_broken"):
        MicroPart([suite]).run(TINY, lambda _step: None)


def test_micro_runs_every_suite_but_that_of_the_server() -> None:
    names = {path.name for path in suites()}
    assert {"bench_codec.py", "bench_dispatch.py", "bench_sync.py"} <= names
    assert "bench_server.py" not in names


@pytest.mark.parametrize("name", ["bench_dispatch", "bench_sync"])
def test_the_suites_work_when_nothing_is_timed(name: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-c", "bench/pytest.ini"]
    command += [f"bench/{name}.py", "--benchmark-disable"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout


# ------------------------------------------------------------------- polls


def test_polls_reach_a_master_and_its_floor() -> None:
    with running_master(7) as master, running_floor(5000) as floor:
        assert master.policies() == 7
        assert len(floor.poll_changed()) == 5000
        assert master.poll_unchanged(5) > 0
        assert floor.poll_unchanged(5) > 0
        # One changed poll when it started, one above, and the five.
        assert master.child.ask()["handled"] == 7
        assert floor.child.ask()["handled"] == 6


# ---------------------------------------------------------------- children


def test_a_child_counts_and_tells() -> None:
    with running_child("bench.counting_server", "--threads", "1") as server:
        assert server.ask()["counted"] == 0
        with connected(server, 3) as peers:
            eventually(lambda: server.ask()["connections"] == 3, "three connections")
            for peer in peers:
                peer.sendall(BLOCK * 2)
            eventually(lambda: server.ask()["counted"] == 6, "six messages")
        eventually(lambda: server.ask()["connections"] == 0, "all connections closed")
        assert server.ask()["counted"] == 6


def test_a_child_holds_messages_back() -> None:
    with running_child("bench.counting_server", "--threads", "1") as server:
        server.ask("hold")
        with connected(server, 1) as [peer]:
            peer.sendall(BLOCK * 3000)
            eventually(lambda: server.ask()["messages"] == 3000, "all messages read")
            assert server.ask()["counted"] == 0
            server.ask("go")
            eventually(lambda: server.ask()["counted"] == 3000, "all messages counted")


def test_a_child_ends_with_its_parent() -> None:
    script = (
        "import os, signal\n"
        "from bench.child import running_child\n"
        "with running_child('bench.counting_server') as server:\n"
        "    print(server.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    child = int(done.stdout)
    eventually(lambda: not Path(f"/proc/{child}").exists() or is_over(child), "the child's end")


def is_over(pid: int) -> bool:
    """Return whether a process has ended and only waits to be noticed."""
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()


def test_a_child_that_fails_is_named() -> None:
    with (
        pytest.raises(RuntimeError, match=r"bench\.master_node .*status 2"),
        running_child("bench.master_node", "--unknown"),
    ):
        pytest.fail("it never ran")


def test_waiting_has_a_deadline() -> None:
    with pytest.raises(RuntimeError, match="a miracle"):
        wait_until(lambda: False, "a miracle", deadline_s=0.01)


# ------------------------------------------------- what a process uses


def test_descriptors_are_counted() -> None:
    before = descriptors(os.getpid())
    with socket.socket():
        assert descriptors(os.getpid()) == before + 1
    assert descriptors(os.getpid()) == before


def test_processor_time_is_that_of_all_threads() -> None:
    before = cpu_seconds(os.getpid())
    thread = threading.Thread(target=lambda: sum(range(200_000)))
    thread.start()
    thread.join()
    assert cpu_seconds(os.getpid()) > before


def test_memory_is_seen() -> None:
    found = memory(os.getpid())
    assert 0 < found.private_bytes <= found.resident_bytes
