"""A node that is killed while rows arrive: each that was acknowledged is there, once."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.http_calls import HOST
from tests.system.conftest import NodeProcess
from tests.waiting import eventually

START = f"run rest server where external_ip = {HOST} and external_port = 0 and bind = true"
CALLERS = 4


def serve(node: NodeProcess) -> int:
    node.ask(START)
    info = json.loads("\n".join(node.ask("get rest server info where format = json")))
    return int(info["internal"].rpartition(":")[2])


def stream(port: int, caller: int, acknowledged: list[str], unclear: list[str]) -> None:
    """Send rows, three at a time, until the node is gone."""
    connection = http.client.HTTPConnection(HOST, port, timeout=20)
    headers = {"dbms": "plant1", "table": f"t{caller % 2}", "mode": "streaming"}
    number = 0
    try:
        while True:
            number += 1
            rows = [json.dumps({"id": f"{caller}-{number}-{part}"}) for part in range(3)]
            # So many that buffers become files meanwhile.
            rows[2] = json.dumps({"id": f"{caller}-{number}-2", "fill": "x" * 1500})
            unclear[:] = rows
            connection.request("PUT", "/", "\n".join(rows), headers)
            reply = connection.getresponse()
            reply.read()
            assert reply.status == 200
            acknowledged += rows
            unclear.clear()
    except (OSError, http.client.HTTPException):
        return
    finally:
        connection.close()


def rows_in(data: Path) -> list[str]:
    found = [*(data / "watch").iterdir(), *(data / "prep").iterdir()]
    return [line.strip() for path in found for line in path.read_text().splitlines()]


def test_acknowledged_rows_survive_a_kill(start: Callable[..., NodeProcess]) -> None:
    acknowledged: list[list[str]] = [[] for _ in range(CALLERS)]
    unclear: list[list[str]] = [[] for _ in range(CALLERS)]
    node = start("home")
    for _ in range(3):
        port = serve(node)
        threads = [
            threading.Thread(target=stream, args=(port, caller, got, open_))
            for caller, (got, open_) in enumerate(zip(acknowledged, unclear, strict=True))
        ]
        enough = sum(map(len, acknowledged)) + 60
        for thread in threads:
            thread.start()
        eventually(lambda: sum(map(len, acknowledged)) >= enough, "rows are acknowledged")  # noqa: B023
        node.kill()
        for thread in threads:
            thread.join()
        node = start("home")
        serve(node)
        found = Counter(rows_in(node.home / "EdgeLake" / "data"))
        known = {row for got in acknowledged for row in got}
        assert [row for row in known if found[row] != 1] == []
        assert [row for row, count in found.items() if count > 1] == []
        for rows in unclear:
            # All rows of a call that was not answered are there, or none.
            assert len({row in found for row in rows}) <= 1
        acknowledged = [[] for _ in range(CALLERS)]
        for path in (node.home / "EdgeLake" / "data" / "watch").iterdir():
            path.unlink()
        node.terminate()
        for path in (node.home / "EdgeLake" / "data" / "watch").iterdir():
            path.unlink()
        node = start("home")


def test_a_node_that_is_ended_hands_over_all(start: Callable[..., NodeProcess]) -> None:
    node = start("home")
    port = serve(node)
    connection = http.client.HTTPConnection(HOST, port, timeout=20)
    headers = {"dbms": "plant1", "table": "motors", "mode": "streaming"}
    connection.request("PUT", "/", '{"v": 1}', headers)
    assert connection.getresponse().status == 200
    connection.close()
    assert node.terminate() == 0
    data = node.home / "EdgeLake" / "data"
    assert rows_in(data) == ['{"v": 1}']
    assert list((data / "prep").iterdir()) == []
