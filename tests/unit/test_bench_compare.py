"""Servers in turns: ratios, what is missing, what fails."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from bench.compare import compare
from bench.load import Load
from bench.part import Settings
from bench.running import Target, running
from bench.scenarios import scenarios
from bench.server_part import ServerPart
from bench.targets import FLOOR, MODES, edgelake_target, free_port, reference_target
from tests.unit.bench_programs import floor

LOAD = Load(clients=2, messages=100)
LAZY = (
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
NODE = (
    "import re, socket, sys, threading\n"
    "line = sys.stdin.readline()\n"
    "assert line.startswith('run tcp server where external_ip = 127.0.0.1'), line\n"
    "port = int(re.search('internal_port = ([0-9]+)', line)[1])\n"
    "listener = socket.create_server(('127.0.0.1', port))\n"
    "def serve():\n"
    "    while True:\n"
    "        peer = listener.accept()[0]\n"
    "        with peer:\n"
    "            while peer.recv(4096):\n"
    "                pass\n"
    "threading.Thread(target=serve, daemon=True).start()\n"
    "sys.stdin.read()\n"
)


def python(name: str, script: str, *, optional: bool = False) -> Target:
    return Target(name, (sys.executable, "-c", script), optional=optional)


def test_comparison_divides_by_the_floor() -> None:
    found = compare([floor(), floor(name="again")], [LOAD], rounds=2)
    (comparison,) = found.comparisons
    assert (found.missing, found.failed) == ({}, {})
    assert {name: len(rounds) for name, rounds in comparison.rounds.items()} == {
        FLOOR: 2,
        "again": 2,
    }
    assert comparison.ratio(FLOOR, "rate") == 1.0
    ratio = comparison.ratio("again", "rate")
    assert ratio is not None
    assert ratio > 0
    data = json.loads(json.dumps(comparison.as_json()))
    assert data["label"] == "2 clients"
    assert data["targets"]["again"]["errors"] == 0
    assert data["targets"]["again"]["rounds"][0]["cpu_us"] > 0


def test_the_rate_counts_until_the_server_is_idle() -> None:
    slow = LAZY.replace(
        "                pass\n",
        "                pass\n            n.append(1)\n",
    ).replace("def serve", "n = []\ndef serve")
    # It closes at once and works afterwards, on another thread.
    slow = slow.replace(
        "sys.stdin.read()",
        "def work():\n"
        "    done = 0\n"
        "    while True:\n"
        "        if len(n) > done:\n"
        "            done += 1\n"
        "            for _ in range(30000): pass\n"
        "        else:\n"
        "            threading.Event().wait(0.001)\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "sys.stdin.read()",
    ).replace("{'messages': 0}", "{'messages': len(n)}")
    load = Load(clients=2, messages=300)
    (comparison,) = compare([floor(), python("slow", slow)], [load], rounds=1).comparisons
    (result,) = comparison.rounds["slow"]
    assert result.rate == pytest.approx(300 / (result.seconds + result.settle_s))
    assert result.sent_rate >= result.rate * 0.999  # it is printed with one digit


def test_a_server_that_handles_less_than_it_took_is_refused() -> None:
    load = Load(clients=1, messages=10)
    with pytest.raises(RuntimeError, match="lazy: handled 0 of 510 messages"):
        compare([floor(), python("lazy", LAZY)], [load], rounds=1)
    found = compare([floor(), python("lazy", LAZY, optional=True)], [load], rounds=1)
    assert found.failed == {"lazy": "handled 0 of 510 messages"}
    assert list(found.comparisons[0].rounds) == [FLOOR]


def test_what_cannot_run_here_is_missing_with_its_reason() -> None:
    words = "print('unavailable: no such thing in this build')"
    found = compare([floor(), python("new", words, optional=True)], [LOAD], rounds=1)
    assert found.missing == {"new": "no such thing in this build"}
    assert list(found.comparisons[0].rounds) == [FLOOR]


def test_a_server_without_sessions_is_missing_where_they_are_needed() -> None:
    plain = Target("plain", floor().command, optional=True, mode="session")
    load = Load(clients=1, messages=20, mode="exchange")
    found = compare([floor(kind="answer"), plain], [load], rounds=1)
    assert found.missing == {"plain": "it accepts no sessions"}


def test_a_target_that_breaks_down_leaves_the_others() -> None:
    broken = python("broken", "raise SystemExit('out of luck')", optional=True)
    found = compare([floor(), broken], [LOAD], rounds=1)
    assert found.failed == {"broken": "broken: ended with status 1: out of luck"}
    assert list(found.comparisons[0].rounds) == [FLOOR]


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_of_the_server_serves_or_says_why_not(mode: str) -> None:
    commands = ("get status",) if mode == "native" else ("set a = 5",)
    load = Load(clients=2, messages=100, commands=commands)
    found = compare([floor(), edgelake_target(2, mode)], [load], rounds=1)
    assert found.failed == {}
    if mode in found.missing:
        assert found.missing[mode].startswith("MessageServer has no")
    else:
        assert found.comparisons[0].errors(mode) == 0


@pytest.mark.parametrize("module", ["asyncio_peer", "thread_peer"])
def test_peers_count_what_they_serve(module: str) -> None:
    peer = Target(module, (sys.executable, "-m", f"bench.{module}"))
    compare([floor(), peer], [LOAD], rounds=1)  # fails where counts do not fit


def test_another_node_is_named_by_the_environment(tmp_path: Path) -> None:
    assert reference_target({}) is None
    script = tmp_path / "node.py"
    script.write_text(NODE)
    target = reference_target({"REFERENCE_NODE": f"{sys.executable} '{script}'"})
    assert target is not None
    found = compare([floor(), target], [LOAD], rounds=1)
    assert (found.missing, found.failed) == ({}, {})
    assert found.comparisons[0].errors(target.name) == 0


def test_a_node_that_ignores_its_input_is_ended() -> None:
    port = free_port()
    script = NODE.replace("sys.stdin.read()", "threading.Event().wait()")
    target = Target(
        "stubborn",
        (sys.executable, "-c", script),
        opening=f"run tcp server where external_ip = 127.0.0.1 and internal_port = {port}",
        port=port,
        patience_s=0.1,
    )
    with running(target) as server:
        process = server.process
    assert process.poll() is not None


@pytest.mark.parametrize("quick", [True, False])
def test_every_scenario_begins_with_its_floor(quick: bool) -> None:
    found = scenarios(Settings(quick=quick, rounds=3, seconds=0.1, threads=2))
    names = [scenario.name for scenario in found]
    assert len(set(names)) == len(names)
    for scenario in found:
        assert [target.name for target in scenario.targets].count(FLOOR) == 1
        assert scenario.targets[0].name == FLOOR
        labels = [load.label for load in scenario.loads]
        assert len(set(labels)) == len(labels)


def test_a_scenario_that_is_not_there_is_named_with_those_that_are() -> None:
    settings = Settings(quick=True, rounds=1, seconds=0.1, threads=2)
    with pytest.raises(ValueError, match="no scenario nothing; there are noise, connection"):
        ServerPart(["nothing"]).run(settings, lambda _line: None)


def test_one_scenario_alone_is_measured_and_shown() -> None:
    settings = Settings(quick=True, rounds=1, seconds=0.05, threads=2)
    part, lines = ServerPart(["noise"]), []
    found = part.run(settings, lines.append)
    assert len(lines) == part.steps(settings) == 2
    assert list(found["scenarios"]) == ["noise"]
    console = Console(file=io.StringIO(), width=150)
    part.show(console, json.loads(json.dumps(found)))
    assert "floor again" in console.file.getvalue()
