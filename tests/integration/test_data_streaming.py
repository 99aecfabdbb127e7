"""Rows by PUT with mode = streaming: they gather on the disk, and each is in one place."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgelake import Node, errors, limits
from edgelake.storage import RowBuffer
from tests.http_calls import Caller, Reply, rest_node
from tests.waiting import eventually

PLACE = {"dbms": "plant1", "table": "motors", "mode": "streaming"}
BUFFER = "plant1.motors.0.0.rows"


def put(call: Caller, *rows: object, **headers: str) -> Reply:
    return call("PUT", body="\n".join(map(json.dumps, rows)), **{**PLACE, **headers})


def files(folder: Path) -> dict[str, bytes]:
    found = sorted(folder.iterdir()) if folder.exists() else []
    return {path.name: path.read_bytes() for path in found if path.is_file()}


def rows_of(*folders: Path) -> list[str]:
    """All rows in files of folders, in the order of their text."""
    contents = [content for folder in folders for content in files(folder).values()]
    return sorted(line.decode().strip() for content in contents for line in content.splitlines())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Node, Caller]]:
    with rest_node(tmp_path / "home", tcp=False) as both:
        yield both


@pytest.fixture
def call(served: tuple[Node, Caller]) -> Caller:
    return served[1]


@pytest.fixture
def node(served: tuple[Node, Caller]) -> Node:
    return served[0]


@contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# ----------------------------------------------------------------- gathering


def test_rows_gather_in_one_file(node: Node, call: Caller) -> None:
    reply = put(call, {"v": 1})
    assert reply.body == b'{"AnyLog.status":"Success", "AnyLog.hash": "0" }'
    put(call, {"v": 2}, {"v": 3}, {"v": 4})
    put(call, {"v": 5})
    assert files(node.home.prep_dir) == {
        BUFFER: b'{"v": 1}\n{"v": 2} \n{"v": 3} \n{"v": 4}\n{"v": 5}\n'
    }
    assert files(node.home.watch_dir) == {}


def test_a_file_for_each_table_and_source(node: Node, call: Caller) -> None:
    put(call, {"v": 1})
    put(call, {"v": 2}, table="pumps")
    put(call, {"v": 3}, source="plc7")
    put(call, {"v": 4}, instructions="abc")
    assert files(node.home.prep_dir) == {
        BUFFER: b'{"v": 1}\n',
        "plant1.pumps.0.0.rows": b'{"v": 2}\n',
        "plant1.motors.plc7.0.rows": b'{"v": 3}\n',
        "plant1.motors.0.abc.rows": b'{"v": 4}\n',
    }


def test_a_buffer_that_is_full_becomes_a_file(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ROW_BUFFER_BYTES", 18)
    put(call, {"v": 1})
    assert files(node.home.watch_dir) == {}
    put(call, {"v": 2})
    ((name, content),) = files(node.home.watch_dir).items()
    assert content == b'{"v": 1}\n{"v": 2}\n'
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert name == f"plant1.motors.0.{digest}.0.json"
    assert files(node.home.prep_dir) == {}
    put(call, {"v": 3})
    assert files(node.home.prep_dir) == {BUFFER: b'{"v": 3}\n'}


def test_a_buffer_that_is_old_becomes_a_file(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ROW_BUFFER_LOOK_S", 0.01)
    monkeypatch.setattr(limits, "ROW_BUFFER_S", 0.05)
    put(call, {"v": 1})
    eventually(lambda: len(files(node.home.watch_dir)) == 1, "the buffer becomes a file")
    assert files(node.home.prep_dir) == {}


def test_what_gathers_becomes_files_when_the_node_ends(tmp_path: Path) -> None:
    with rest_node(tmp_path, tcp=False) as (node, call):
        put(call, {"v": 1})
        put(call, {"v": 2}, table="pumps")
    assert files(node.home.prep_dir) == {}
    assert rows_of(node.home.watch_dir) == ['{"v": 1}', '{"v": 2}']


def test_rows_of_the_same_text_are_not_taken_for_others(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ROW_BUFFER_BYTES", 9)
    put(call, {"v": 1})
    put(call, {"v": 1})
    assert rows_of(node.home.watch_dir) == ['{"v": 1}']
    assert rows_of(node.home.prep_dir) == ['{"v": 1}']
    put(call, {"v": 1})
    assert rows_of(node.home.watch_dir) == ['{"v": 1}'] * 3
    assert files(node.home.prep_dir) == {}


def test_more_tables_than_buffers(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_ROW_BUFFERS", 2)
    for table in ("a", "b", "c"):
        assert put(call, {"v": 1}, table=table).status == 200
    assert len(files(node.home.prep_dir)) == 2
    ((name, _),) = files(node.home.watch_dir).items()
    assert name.startswith("plant1.a.")


def test_many_callers_at_once(node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROW_BUFFER_BYTES", 100)

    def work(caller: int) -> None:
        for n in range(10):
            rows = [{"c": caller, "n": n, "part": part} for part in range(3)]
            statuses.append(put(call, *rows, table=f"t{n % 2}").status)

    statuses: list[int] = []
    threads = [threading.Thread(target=work, args=(caller,)) for caller in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 60
    found = [json.loads(row) for row in rows_of(node.home.prep_dir, node.home.watch_dir)]
    keys = sorted((row["c"], row["n"], row["part"]) for row in found)
    assert keys == [(c, n, part) for c in range(6) for n in range(10) for part in range(3)]
    for content in files(node.home.watch_dir).values():
        parts = [json.loads(line)["part"] for line in content.splitlines()]
        assert parts == [0, 1, 2] * (len(parts) // 3)


# --------------------------------------------------------------------- faults


def test_a_full_disk_leaves_nothing_of_a_call(node: Node, call: Caller) -> None:
    put(call, {"v": 1})
    with full_disk(60):
        reply = put(call, {"v": 2}, {"v": "x" * 100})
        assert (reply.status, reply.data["code"]) == (507, 48)
        assert files(node.home.prep_dir) == {BUFFER: b'{"v": 1}\n'}
        assert put(call, {"v": 3}).status == 200
    assert put(call, {"v": 4}).status == 200
    assert files(node.home.prep_dir) == {BUFFER: b'{"v": 1}\n{"v": 3}\n{"v": 4}\n'}


def test_a_disk_that_fails_to_synchronise(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(call, {"v": 1})

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        reply = put(call, {"v": 2})
        assert (reply.status, reply.data["code"]) == (507, 48)
        assert "input/output error" in reply.data["error"]
    assert put(call, {"v": 3}).status == 200
    assert files(node.home.prep_dir) == {BUFFER: b'{"v": 1}\n{"v": 3}\n'}


def test_a_watch_folder_that_is_none_loses_no_row(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ROW_BUFFER_BYTES", 18)
    monkeypatch.setattr(limits, "ROW_BUFFER_LOOK_S", 60.0)
    put(call, {"v": 1})
    watch = node.home.watch_dir
    watch.rmdir()
    watch.write_text("")
    assert put(call, {"v": 2}).status == 200
    assert rows_of(node.home.prep_dir) == ['{"v": 1}', '{"v": 2}']
    (entry,) = node.run("get error log where format = json").data
    assert "cannot make folder" in entry["Text"]
    watch.unlink()
    assert put(call, {"v": 3}).status == 200
    assert rows_of(watch) == ['{"v": 1}', '{"v": 2}', '{"v": 3}']


def test_tables_beyond_the_buffers_that_cannot_be_handed_over(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_ROW_BUFFERS", 1)
    monkeypatch.setattr(limits, "ROW_BUFFER_LOOK_S", 60.0)
    put(call, {"v": 1}, table="a")
    node.home.watch_dir.rmdir()
    node.home.watch_dir.write_text("")
    reply = put(call, {"v": 1}, table="b")
    assert (reply.status, reply.data["code"]) == (503, errors.Overloaded.code)
    assert "rows for 1 tables gather" in reply.data["error"]
    node.home.watch_dir.unlink()
    assert put(call, {"v": 1}, table="b").status == 200
    assert rows_of(node.home.prep_dir, node.home.watch_dir) == ['{"v": 1}'] * 2


def test_a_watch_folder_on_another_disk(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other disk")
    with tempfile.TemporaryDirectory(dir=other) as elsewhere:
        watch = tmp_path / "EdgeLake" / "data" / "watch"
        watch.parent.mkdir(parents=True)
        watch.symlink_to(elsewhere)
        inner = watch / ".prep"
        inner.mkdir()
        (inner / "plant1.pumps.0.0.rows").write_bytes(b'{"v": 0}\n')
        with rest_node(tmp_path, tcp=False) as (node, call):
            assert [row["cached_rows"] for row in _tables(node)] == [1]
            put(call, {"v": 1})
            put(call, {"v": 2}, mode="file")
            assert rows_of(inner) == ['{"v": 0}', '{"v": 1}']
            assert rows_of(watch) == ['{"v": 2}']
        assert rows_of(inner) == []
        assert rows_of(watch) == ['{"v": 0}', '{"v": 1}', '{"v": 2}']


# -------------------------------------------------------------- taking over


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        (b'{"v": 1}\n', b'{"v": 1}\n'),
        (b'{"v": 1}\n{"v"', b'{"v": 1}\n'),
        (b'{"v": 1}\n{"v": 2} \n{"v": 3} \n', b'{"v": 1}\n'),
        (b'{"v": 1}\n{"v": 2} \n{"v": 3} \n{"v": 4', b'{"v": 1}\n'),
        (b'{"v": 1} \n{"v": 2}\n{"v": 3} \n', b'{"v": 1} \n{"v": 2}\n'),
        (b'{"v": 1} \n', b""),
        (b'{"v"', b""),
        (b"", b""),
    ],
)
def test_what_a_crash_cut_off_is_dropped_whole(tmp_path: Path, left: bytes, kept: bytes) -> None:
    path = tmp_path / BUFFER
    path.write_bytes(left)
    buffer = RowBuffer(path)
    assert (buffer.rows, buffer.size_bytes) == (kept.count(b"\n"), len(kept))
    assert path.read_bytes() == kept
    assert buffer.append([b'{"v": 9}'])
    assert path.read_bytes() == kept + b'{"v": 9}\n'
    buffer.close()
    assert not buffer.append([b'{"v": 10}'])
    buffer.release()


def test_rows_of_the_node_before_are_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prep = tmp_path / "EdgeLake" / "data" / "prep"
    prep.mkdir(parents=True)
    (prep / BUFFER).write_bytes(b'{"v": 1}\n{"v": 2} \n')
    (prep / "notes.rows").write_text("not ours")
    monkeypatch.setattr(limits, "ROW_BUFFER_LOOK_S", 0.01)
    monkeypatch.setattr(limits, "ROW_BUFFER_S", 0.05)
    with rest_node(tmp_path, tcp=False) as (node, _):
        eventually(lambda: len(files(node.home.watch_dir)) == 1, "they are handed over")
        assert rows_of(node.home.watch_dir) == ['{"v": 1}']
        assert list(files(prep)) == ["notes.rows"]


def test_a_home_that_another_process_has(tmp_path: Path) -> None:
    with rest_node(tmp_path, tcp=False) as (node, call):
        put(call, {"v": 1})
        with rest_node(tmp_path, tcp=False) as (_, other):
            reply = put(other, {"v": 2})
            assert (reply.status, reply.data["code"]) == (409, errors.HomeLocked.code)
        assert files(node.home.prep_dir) == {BUFFER: b'{"v": 1}\n'}


# -------------------------------------------------------------------- figures


def _tables(node: Node) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.run("get streaming where format = json").data
    return found


def test_tables_beyond_the_limit_are_told_together(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_DATA_TABLES", 2)
    for table in ("a", "b", "c", "d"):
        put(call, {"v": 1}, table=table, mode="file")
    found = {row["table"]: row["files"] for row in _tables(node)}
    assert found == {"plant1.a": 1, "plant1.b": 1, "(others)": 2}


def test_what_arrived_is_told(node: Node, call: Caller) -> None:
    put(call, {"v": 1}, mode="file")
    put(call, {"v": 1}, {"v": 2})
    put(call, {"v": 3})
    (row,) = node.run("get streaming where format = json").data
    left_s = row.pop("time_left_s")
    assert 0 < left_s <= limits.ROW_BUFFER_S
    assert row == {
        "table": "plant1.motors",
        "files": 1,
        "file_rows": 1,
        "calls": 2,
        "rows": 3,
        "cached_rows": 3,
        "cached_bytes": 28,
        "flushed_files": 0,
        "fill_percent": 0.3,
    }
    assert "plant1.motors" in call.get("get streaming").text
    config = {
        "status": "Running",
        "threshold_time_s": 60.0,
        "threshold_volume_bytes": 10_000,
        "buffered_rows": 3,
        "flushed_rows": 0,
    }
    assert node.run("get streaming config where format = json").data == config
