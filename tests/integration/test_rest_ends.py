"""The end of a REST server with calls under way, and what its terminal shows of callers."""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgelake import errors
from tests.http_calls import HOST, Reply, rest_node

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
