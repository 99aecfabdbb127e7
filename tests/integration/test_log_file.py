"""The log file of real nodes: what is in it, how it is bounded, and what must not be in it."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgelake import Node, errors, limits
from edgelake.services.log_file import LogFile
from tests.http_calls import HOST, Caller, tcp_place
from tests.waiting import eventually

LINE = re.compile(r"time=(\S+) level=(debug|info|warning|error) service=(\S+) event=(.*)")
PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')


def lines(node: Node) -> list[dict[str, str]]:
    """Return the lines of the file, each as its pairs; every one has to be whole."""
    path = node.home.log_file
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        assert LINE.fullmatch(line), line
        pairs = PAIR.findall(line)
        assert " ".join(f"{name}={value}" for name, value in pairs) == line
        found.append({name: value.strip('"') for name, value in pairs})
    return found


def wait_for(node: Node, **wanted: str) -> dict[str, str]:
    """Wait for a line that holds these words; return it."""

    def those() -> list[dict[str, str]]:
        return [
            line
            for line in lines(node)
            if all(value in line.get(name, "") for name, value in wanted.items())
        ]

    eventually(lambda: bool(those()), f"a line with {wanted}")
    return those()[-1]


# ------------------------------------------------------------------- content


def test_a_node_without_services_writes_nothing(tmp_path: Path) -> None:
    with Node(tmp_path / "home") as node:
        node.run("get status")
        with pytest.raises(errors.UnknownCommand):
            node.run("get nosuch")
    assert not (tmp_path / "home").exists()


def test_what_starts_and_stops_and_fails(node: Node) -> None:
    assert wait_for(node, service="tcp", event="started")["level"] == "info"
    assert "Listening on" in wait_for(node, service="rest", event="started")["details"]
    with pytest.raises(errors.UnknownCommand):
        node.run("get nosuch")
    line = wait_for(node, event="command failed")
    assert (line["level"], line["code"], line["text"]) == ("warning", "141", "get nosuch")
    node.run("exit tcp")
    wait_for(node, service="tcp", event="stopped")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


def test_what_fails_in_the_background_is_told_once(node: Node) -> None:
    node.run(
        "run blockchain sync where source = master and time = 1 second and dest = file"
        f" and connection = {HOST}:1"
    )
    line = wait_for(node, service="synchronizer", event="failed")
    assert (line["level"], "error" in line) == ("error", True)
    assert not [found for found in lines(node) if found["event"] == "log"]


def test_levels_choose_what_is_written(node: Node) -> None:
    node.run("set log level = debug")
    node.run("get status")
    line = wait_for(node, event="command done", text="get status")
    assert float(line["ms"]) >= 0
    node.run("set log level = error")
    with pytest.raises(errors.UnknownCommand):
        node.run("get nosuch")
    node.run("get hostname")
    node.run("set log level = info")
    with pytest.raises(errors.UnknownCommand):
        node.run("get nothing")
    wait_for(node, event="command failed", text="get nothing")
    assert not [
        found for found in lines(node) if found.get("text") in ("get nosuch", "get hostname")
    ]
    with pytest.raises(errors.WrongValue):
        node.run("set log level = loud")


def test_calls_by_rest_if_wanted(node: Node, call: Caller) -> None:
    call.get("get status", User_Agent="first/1")
    node.run("set rest log on")
    call.get("get nosuch", User_Agent="second/1")
    line = wait_for(node, service="rest", event="call")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/", "400")
    assert line["caller"] == "second"
    assert "get nosuch" in line["fault"]
    node.run("set rest log off")
    call.get("get status", User_Agent="third/1")
    node.run("exit tcp")
    wait_for(node, service="tcp", event="stopped")
    callers = [found["caller"] for found in lines(node) if found["event"] == "call"]
    assert callers == ["second"]


def test_all_that_one_service_says(node: Node, call: Caller) -> None:
    node.run("trace level = 1 rest")
    assert node.run("get log info where format = json").data["traced"] == ["rest"]
    call.get("get status")
    assert wait_for(node, service="rest", event="call")["level"] == "debug"
    node.run("trace level = 0 rest")
    assert node.run("get log info where format = json").data["traced"] == []


def test_cycles_of_a_traced_synchronizer(node: Node) -> None:
    node.run("connect dbms blockchain where type = sqlite")
    node.run("create table ledger where dbms = blockchain")
    node.run("trace level = 1 synchronizer")
    node.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
    try:
        assert "cycle" in wait_for(node, service="synchronizer", level="debug")["text"]
    finally:
        node.run("trace level = 0 synchronizer")


def test_traced_commands_are_in_the_file(node: Node) -> None:
    node.run("trace level = 2 get status")
    node.run("get status")
    line = wait_for(node, service="trace")
    assert line["event"] == "get status"
    assert "running" in line["values"]


def test_what_pythons_loggers_say(node: Node) -> None:
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        logging.getLogger("edgelake.wire.test").exception("it failed")
    line = wait_for(node, service="tcp", event="log")
    assert (line["level"], line["text"]) == ("error", "it failed")
    assert line["error"] == r"ValueError: broken\nin two"
    assert "test_log_file.py" in line["at"]


# ------------------------------------------------------------------- secrets


def test_nothing_secret_is_in_it(node: Node, call: Caller) -> None:
    node.run("set log level = debug")
    node.run("set rest log on")
    node.run("trace level = 2 connect dbms")
    secret = "hunter2-8841"
    with pytest.raises(errors.EdgeLakeError):
        node.run(
            "connect dbms other where type = psql and user = me and"
            f" password = {secret} and ip = {HOST} and port = 1"
        )
    with pytest.raises(errors.EdgeLakeError):
        node.run(f"connect dbms x where pasword = {secret}")
    call.get(f"get nosuch where password = {secret}", Authorization=f"Bearer {secret}")
    call("GET", f"/?command=get+status&token={secret}")
    logging.getLogger("edgelake").warning("cannot reach http://me:%s@somewhere", secret)
    node.run("exit tcp")
    wait_for(node, service="tcp", event="stopped")
    text = node.home.log_file.read_text()
    assert secret not in text
    assert text.count("***") >= 3


def test_only_its_owner_may_read_it(node: Node) -> None:
    wait_for(node, service="tcp", event="started")
    assert node.home.log_file.stat().st_mode & 0o777 == 0o600


def test_nobody_writes_lines_of_his_own(node: Node, call: Caller) -> None:
    evil = 'x" level=error\r\nservice=tcp \x1b[2J\u202eevent=made \x9b'
    node.run("set rest log on")
    with pytest.raises(errors.EdgeLakeError):
        node.run(f"get {evil}")
    call("GET", "/%0d%0aservice=tcp%1b", User_Agent="a b\tc")
    wait_for(node, service="rest", event="call")
    wait_for(node, event="command failed")
    text = node.home.log_file.read_text()
    assert not set(re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text))
    assert not [line for line in lines(node) if line["event"].startswith("made")]


# -------------------------------------------------------------------- bounds


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogFile]:
    made = LogFile(tmp_path / "log" / "edgelake.log", lambda text: text)
    made.begin()
    yield made
    made.close()


def test_files_are_rotated_and_the_oldest_goes(
    log: LogFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.close()
    monkeypatch.setattr(limits, "MAX_LOG_FILE_BYTES", 4096)
    monkeypatch.setattr(limits, "MAX_LOG_FILES", 3)
    small = LogFile(log.path, lambda text: text)
    small.begin()
    for number in range(300):
        small.write("info", "node", "numbered", number=number)
        eventually(lambda now=number: small.figures()["lines"] > now, "the line is written")
    small.close()
    files = sorted(log.path.parent.iterdir())
    assert [file.name for file in files] == ["edgelake.log", "edgelake.log.1", "edgelake.log.2"]
    assert all(file.stat().st_size <= 4096 for file in files)
    numbers = [
        int(number)
        for file in (files[2], files[1], files[0])
        for number in re.findall(r"number=(\d+)", file.read_text())
    ]
    assert numbers == list(range(numbers[0], 300))


def test_a_line_is_cut(log: LogFile) -> None:
    more = {f"n{number}": "x" * limits.MAX_LOG_CHARS for number in range(8)}
    log.write("info", "node", "long", text="é" * (limits.MAX_LOG_CHARS + 1), **more)
    log.close()
    (line,) = log.path.read_text(encoding="utf-8").splitlines()
    assert len(line) == limits.MAX_LOG_LINE_CHARS
    assert line.endswith("…")
    assert f'text="{"é" * limits.MAX_LOG_CHARS}…"' in line


def test_a_slow_disk_costs_lines_and_no_time(tmp_path: Path) -> None:
    stuck, go_on = threading.Event(), threading.Event()

    def hide(text: str) -> str:
        stuck.set()
        go_on.wait()
        return text

    log = LogFile(tmp_path / "edgelake.log", hide)
    log.begin()
    log.write("info", "node", "first", text="a")
    assert stuck.wait(10)
    for _ in range(limits.LOG_QUEUE_LINES + 7):
        log.write("info", "node", "next", text="b")
    assert log.figures()["dropped"] == 7
    go_on.set()
    log.close()
    text = log.path.read_text()
    assert text.count("event=next") == limits.LOG_QUEUE_LINES
    assert 'event="lines left out" lines=7' in text


def test_peers_cannot_fill_the_file(log: LogFile) -> None:
    for number in range(limits.MAX_LOG_LINES_OF_PEERS + 5):
        log.write("warning", "tcp", "failed", source="10.0.0.9", number=number)
    log.write("warning", "tcp", "failed", number="own")
    log.close()
    text = log.path.read_text()
    assert text.count("source=10.0.0.9") == limits.MAX_LOG_LINES_OF_PEERS
    assert "number=own" in text
    assert "lines=5" in text


def test_a_full_disk_never_stops_the_node(tmp_path: Path) -> None:
    # Every write to this device fails as on a full disk.
    if not os.path.exists("/dev/full"):
        pytest.skip("the system has no /dev/full")
    home = tmp_path / "home"
    (home / "EdgeLake" / "log").mkdir(parents=True)
    file = home / "EdgeLake" / "log" / "edgelake.log"
    with Node(home) as node:
        os.mknod(file, 0o600 | 0o020000, os.makedev(1, 7))
        node.run(
            "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"
        )
        info = "get log info where format = json"
        eventually(lambda: node.run(info).data["unwritten"] > 0, "the disk is full")
        assert "No space left" in node.run(info).data["fault"]
        assert node.run(f"run client ({tcp_place(node)}) get status").text
        file.unlink()
        node.run("exit tcp")
        eventually(lambda: node.run(info).data["lines"] > 0, "there is room again")
        assert node.run(info).data["fault"] is None
    assert "event=stopped" in file.read_text()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("in the way")
    log = LogFile(tmp_path / "log" / "edgelake.log", lambda text: text)
    log.begin()
    log.write("info", "node", "lost")
    eventually(lambda: log.figures()["unwritten"] == 1, "the line is lost")
    log.close()
    assert log.figures()["fault"]


def test_one_process_writes_a_file(log: LogFile) -> None:
    log.path.parent.mkdir()
    with open(log.path, "a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        log.write("info", "node", "lost")
        eventually(lambda: log.figures()["fault"] is not None, "it is refused")
        assert "another process" in log.figures()["fault"]
    log.write("info", "node", "kept")
    eventually(lambda: log.figures()["lines"] == 1, "it is written")
    assert "event=kept" in log.path.read_text()


def test_links_are_not_followed(log: LogFile, tmp_path: Path) -> None:
    log.path.parent.mkdir()
    (tmp_path / "elsewhere").write_text("mine")
    log.path.symlink_to(tmp_path / "elsewhere")
    log.write("info", "node", "lost")
    eventually(lambda: log.figures()["unwritten"] == 1, "the line is lost")
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_peers_do_not_reach_it(node: Node) -> None:
    node.run("set remote permission = admin")
    wait_for(node, service="tcp", event="started")
    with (
        pytest.raises(errors.FileNotPermitted),
        node.home.reach_of_peers().spot(str(node.home.log_file)),
    ):
        pass
