"""What a REST server leaves behind: calls under way at its end, terminal, memory."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgelake import errors
from tests.http_calls import HOST, Reply, rest_node
from tests.integration.test_rest_crowd import LARGE, figures, large_policy, slow_reader
from tests.waiting import eventually

UPGRADE = b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"


def ended_with_a_call(home: Path) -> Reply:
    """Return what a caller gets who waits for a silent node when the server ends."""
    with rest_node(home) as (node, call):
        for nonsense in (b"hello\r\n\r\n", UPGRADE):
            with socket.create_connection((HOST, call.port), 20) as line:
                line.sendall(nonsense)
                assert line.recv(9) == b"HTTP/1.1 "
        with socket.create_server((HOST, 0)) as silent, ThreadPoolExecutor(1) as aside:
            silent.settimeout(20)
            place = f"{HOST}:{silent.getsockname()[1]}"
            waits = aside.submit(call.get, "get status", destination=place)
            with silent.accept()[0]:
                node.run("exit rest")
                return waits.result(30)


def test_a_call_under_way_is_told_that_the_server_ended(tmp_path: Path) -> None:
    reply = ended_with_a_call(tmp_path)
    assert (reply.status, reply.data["code"]) == (503, errors.NotRunning.code)
    assert "look whether" in reply.data["hint"]


def test_callers_write_nothing_on_the_terminal(tmp_path: Path) -> None:
    # A process of its own: the tests' own logging would hide what Python prints without any.
    code = (
        "import sys; from pathlib import Path;"
        " from tests.integration.test_rest_ends import ended_with_a_call;"
        " print(ended_with_a_call(Path(sys.argv[1])).status)"
    )
    node = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert (node.returncode, node.stdout, node.stderr) == (0, "503\n", "")


def memory_of_a_crowd(home: Path) -> int:
    """Return the most bytes that a node took while a hundred asked for much and read nothing."""
    with rest_node(home, rate=0) as (node, call), contextlib.ExitStack() as stack:
        large_policy(node)
        for _ in range(100):
            stack.enter_context(slow_reader(call.port))
        eventually(lambda: figures(node)["calls"] == 100, "all are answered", 60)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_answers_for_many_do_not_pile_up(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        " from tests.integration.test_rest_ends import memory_of_a_crowd;"
        " print(memory_of_a_crowd(Path(sys.argv[1])))"
    )
    node = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert int(node.stdout) < 100 * LARGE, node.stderr
