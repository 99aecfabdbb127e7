"""Rows by PUT: what is stored of them, byte by byte, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgelake import Node, limits
from tests.http_calls import Caller, Reply, rest_node

PLACE = {"dbms": "plant1", "table": "motors"}


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


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Caller]]:
    """A node that never gets a row that it takes."""
    with rest_node(tmp_path_factory.mktemp("untouched"), tcp=False) as both:
        yield both


def put(call: Caller, body: str | bytes, **headers: str) -> Reply:
    return call("PUT", body=body, **{**PLACE, **headers})


def waiting(node: Node) -> dict[str, bytes]:
    """The files in the watch folder, hidden ones too."""
    folder = node.home.watch_dir
    found = folder.iterdir() if folder.exists() else ()
    return {path.name: path.read_bytes() for path in found}


def gathering(node: Node) -> dict[str, bytes]:
    folder = node.home.prep_dir
    found = folder.iterdir() if folder.exists() else ()
    return {path.name: path.read_bytes() for path in found}


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    """Let no file grow above a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# --------------------------------------------------------------------- files


@pytest.mark.parametrize(
    "body",
    [
        '[{"ts": "2026-01-01", "v": 1.10}, {"v":12345678901234567890123, "w": 1E3}]',
        '{"ts": "2026-01-01", "v": 1.10}\n{"v":12345678901234567890123, "w": 1E3}\n',
        '{"ts": "2026-01-01", "v": 1.10}\r\n\r\n{"v":12345678901234567890123, "w": 1E3}',
        ' [\n{"ts": "2026-01-01",\r\n   "v": 1.10}\n,{"v":12345678901234567890123,\n"w": 1E3}\n]\n',
    ],
)
def test_rows_are_a_file_as_they_were_written(node: Node, call: Caller, body: str) -> None:
    expected = b'{"ts": "2026-01-01", "v": 1.10}\n{"v":12345678901234567890123, "w": 1E3}\n'
    reply = put(call, body)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    hash_ = reply.data["AnyLog.hash"]
    assert reply.body == f'{{"AnyLog.status":"Success", "AnyLog.hash": "{hash_}" }}'.encode()
    ((name, content),) = waiting(node).items()
    assert content.replace(b', "w"', b',"w"') == expected.replace(b', "w"', b',"w"')
    assert name == f"plant1.motors.0.{hash_}.0.json"
    assert hash_ == md5(content)
    assert gathering(node) == {}


def test_one_object_and_text_of_all_languages(node: Node, call: Caller) -> None:
    body = '{"name": "Größe ☃ 😀", "half": "\\ud83d\\ude00", "null": null, "deep": {"a": [1, {}]}}'
    assert put(call, "\ufeff" + body).status == 200
    assert list(waiting(node).values()) == [f"{body}\n".encode()]


def test_source_and_instructions_are_in_the_name(node: Node, call: Caller) -> None:
    policy = "a" * 32
    reply = put(call, '{"v": 1}', source="plc-7", instructions=policy, type="json", mode="file")
    assert list(waiting(node)) == [f"plant1.motors.plc-7.{reply.data['AnyLog.hash']}.{policy}.json"]


def test_the_same_rows_again_are_no_second_file(node: Node, call: Caller) -> None:
    first, second = put(call, '[{"v": 1}]'), put(call, '{"v": 1}')
    assert first.body == second.body
    assert len(waiting(node)) == 1
    for path in node.home.watch_dir.iterdir():
        path.unlink()
    assert put(call, '{"v": 1}').body == first.body
    assert len(waiting(node)) == 1


def test_many_callers_at_once(node: Node, call: Caller) -> None:
    def work(number: int) -> None:
        for n in range(5):
            replies.append(put(call, json.dumps({"caller": number, "n": n})).status)
            replies.append(put(call, '{"same": true}').status)

    replies: list[int] = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [200] * 60
    found = waiting(node)
    assert len(found) == 31
    rows = sorted(line for content in found.values() for line in content.splitlines())
    expected = [json.dumps({"caller": c, "n": n}).encode() for c in range(6) for n in range(5)]
    assert rows == sorted([*expected, b'{"same": true}'])


# ----------------------------------------------------------------- malformed


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "the body holds no row"),
        (" \n ", "the body holds no row"),
        ("[]", "the list is empty"),
        ('[{"a": 1}, {"a": tru}]', "row 2, character 7: expecting value"),
        ('[{"a": 1}, {"b": 1}, 5]', "row 3, character 1: a row is an object"),
        ('[{"a": 1}, null]', "row 2, character 1: a row is an object"),
        ('[{"a": 1}, [{"b": 1}]]', "row 2, character 1: a row is an object"),
        ("5", "row 1, character 1: a row is an object"),
        ('[{"a": 1},]', "row 2, character 1: expecting value"),
        ('[{"a": 1} {"b": 1}]', "behind row 1, character 11 of the body: ',' or ']'"),
        ('[{"a": 1}', "behind row 1: ',' or ']' is expected, and the body ends"),
        ('[{"a": 1}] x', "behind row 1, character 12 of the body: nothing more"),
        ('{"a": 1} {"b": 1}', "behind row 1, character 10 of the body: a new line"),
        ('{"a": 1}\n{"b": 1', "row 2, character 8 (the end of the body)"),
        ('{"a": 1}\n{"b" 1}', "row 2, character 6: expecting ':' delimiter"),
        ('{"a": 1}\nhello', "row 2, character 1: expecting value"),
        ("{'a': 1}", "row 1, character 2: expecting property name"),
        ('{"a": "x\ny"}', "row 1, character 9: invalid control character"),
        ('{"a": "NaN", "b": NaN}', "row 1, character 19: NaN is no JSON"),
        ('{"a": -Infinity}', "row 1, character 7: -Infinity is no JSON"),
        ('{"a": 1e999}', "row 1, character 7: number 1e999 is too large"),
        ('{"a": ' + "1" * 401 + "}", "row 1, character 7: a number of more than 400 digits"),
        ('{"a": 1, "b": 2, "a": 3}', "row 1, character 18: 'a' stands twice"),
        ("{}", "row 1, character 1: a row has at least one column"),
        ('{"": 1}', "row 1, character 2: a column has a name"),
        ('{"a": 1, "b": "\\ud800"}', "row 1, character 16: half of a surrogate pair"),
        ('{"a": ' + "[" * 64 + "]" * 64 + "}", "row 1, character 70: nested deeper than 64"),
        ('{"a": ' + "[" * 90_000, "row 1, character 70: nested deeper than 64"),
        (b'{"a": "\xff"}', "the body is not UTF-8 from byte 8"),
        ('{"' + "k" * 256 + '": 1}', "row 1, character 2: a column has a name of 1 to 255"),
    ],
)
@pytest.mark.parametrize("mode", ["file", "streaming"])
def test_malformed_rows_are_told_by_their_place(
    untouched: tuple[Node, Caller], body: str | bytes, words: str, mode: str
) -> None:
    node, call = untouched
    reply = put(call, body, mode=mode)
    assert (reply.status, reply.data["code"]) == (400, 6)
    assert words in reply.data["error"]
    assert waiting(node) == gathering(node) == {}


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"dbms": ""}, 400, "header 'dbms' is missing"),
        ({"table": " "}, 400, "header 'table' is missing"),
        ({"dbms": "../x"}, 400, "'../x' cannot be 'dbms'"),
        ({"table": "a/b"}, 400, "cannot be 'table'"),
        ({"table": "a.b"}, 400, "cannot be 'table'"),
        ({"table": "-a"}, 400, "cannot be 'table'"),
        ({"table": ".."}, 400, "cannot be 'table'"),
        ({"table": "gr\u00f6\u00dfe"}, 400, "cannot be 'table'"),
        ({"table": "t" * 64}, 400, "cannot be 'table'"),
        ({"source": "1.2.3.4"}, 400, "cannot be 'source'"),
        ({"instructions": "i" * 33}, 400, "cannot be 'instructions'"),
        ({"mode": "fast"}, 400, "'fast' is no mode"),
        ({"type": "csv"}, 400, "'csv' is no type of data"),
        ({"destination": "10.0.0.8:32048"}, 400, "'destination' is for commands"),
        ({"Content-Encoding": "br"}, 400, "in the coding 'br'"),
        ({"Content-Encoding": "gzip"}, 400, "not compressed by gzip"),
    ],
)
def test_headers_that_are_wrong(
    untouched: tuple[Node, Caller], headers: dict[str, str], status: int, words: str
) -> None:
    node, call = untouched
    reply = put(call, '{"v": 1}', **headers)
    assert reply.status == status
    assert words in reply.data["error"]
    assert waiting(node) == gathering(node) == {}


def test_the_longest_name(node: Node, call: Caller) -> None:
    long = {"dbms": "d" * 63, "table": "t" * 63, "source": "s" * 32, "instructions": "i" * 32}
    assert put(call, '{"v": 1}', **long).status == 200
    (name,) = waiting(node)
    assert len(name) < 255


# ---------------------------------------------------------------- compressed


def test_compressed_rows(node: Node, call: Caller) -> None:
    assert put(call, gzip.compress(b'{"v": 1}'), Content_Encoding="gzip").status == 200
    assert list(waiting(node).values()) == [b'{"v": 1}\n']
    assert put(call, gzip.compress(b'{"v": 2}')).status == 400


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data + b"x"])
def test_damaged_compressed_rows(node: Node, call: Caller, damage: object) -> None:
    assert callable(damage)
    reply = put(call, damage(gzip.compress(b'{"v": 1}')), Content_Encoding="gzip")
    assert reply.status == 400
    assert waiting(node) == {}


def test_a_body_that_expands_too_far(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_REST_BODY_BYTES", 1000)
    fitting = b'{"v": "' + b"x" * 991 + b'"}'
    assert len(fitting) == 1000
    assert put(call, gzip.compress(fitting), Content_Encoding="gzip").status == 200
    reply = put(call, gzip.compress(fitting + b" "), Content_Encoding="gzip")
    assert reply.status == 413
    assert len(waiting(node)) == 1


# -------------------------------------------------------------------- limits


def test_limits_of_rows_at_their_edges(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ROWS", 3)
    monkeypatch.setattr(limits, "MAX_ROW_COLUMNS", 4)
    monkeypatch.setattr(limits, "MAX_ROW_BYTES", 100)
    row = '{"v": 1}'
    assert put(call, "\n".join([row] * 3)).status == 200
    assert put(call, "\n".join([row] * 4)).status == 413
    assert put(call, json.dumps({str(n): n for n in range(4)})).status == 200
    assert put(call, json.dumps({str(n): n for n in range(5)})).status == 400
    assert put(call, '{"v": "' + "ä" * 45 + 'x"}').status == 200
    assert put(call, '{"v": "' + "ä" * 46 + '"}').status == 413


def test_what_waits_is_bounded(node: Node, call: Caller) -> None:
    first = put(call, '{"v": 1}')
    assert first.status == 200
    node.run("set data limit 18")
    assert put(call, '{"v": 2}').status == 200
    for mode in ("file", "streaming"):
        reply = put(call, '{"v": 3}', mode=mode)
        assert (reply.status, reply.data["code"]) == (503, 108)
        assert "18 wait, and at most 18 may" in reply.data["error"]
    assert len(waiting(node)) == 2
    figures = node.run("get data limit where format = json").data
    assert (figures["waiting_bytes"], figures["waiting_files"]) == (18, 2)
    node.run("set data limit 27")
    assert put(call, '{"v": 3}').status == 200


def test_the_number_of_files_is_bounded(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_WAITING_DATA_FILES", 1)
    assert put(call, '{"v": 1}').status == 200
    reply = put(call, '{"v": 2}')
    assert reply.status == 503
    assert len(waiting(node)) == 1


def test_room_comes_back_when_files_are_taken(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WATCH_FOLDER_LOOK_S", 0.0)
    node.run("set data limit 9")
    assert put(call, '{"v": 1}').status == 200
    assert put(call, '{"v": 2}').status == 503
    for path in node.home.watch_dir.iterdir():
        path.unlink()
    assert put(call, '{"v": 2}').status == 200


def test_a_full_disk_leaves_nothing(node: Node, call: Caller) -> None:
    assert put(call, '{"v": 0}').status == 200
    before = waiting(node)
    with full_disk(100):
        reply = put(call, json.dumps({"v": "x" * 200}))
    assert (reply.status, reply.data["code"]) == (507, 48)
    assert "cannot write" in reply.data["error"]
    assert waiting(node) == before
    assert gathering(node) == {}
    assert put(call, json.dumps({"v": "x" * 200})).status == 200


def test_a_folder_that_cannot_be_written(node: Node, call: Caller) -> None:
    node.home.prep_dir.mkdir(parents=True)
    node.home.watch_dir.write_text("")
    reply = put(call, '{"v": 1}')
    assert (reply.status, reply.data["code"]) == (500, 4)
    assert str(node.home.watch_dir) in reply.data["error"]
    node.home.watch_dir.unlink()
    assert put(call, '{"v": 1}').status == 200


# ---------------------------------------------------------------- permission


def test_who_may_only_read_sends_no_data(node: Node, call: Caller) -> None:
    node.run("set remote permission = read")
    reply = put(call, '{"v": 1}')
    assert (reply.status, reply.data["code"]) == (403, 212)
    assert waiting(node) == {}
    node.run("set remote permission = metadata")
    assert put(call, '{"v": 1}').status == 200


def test_what_is_for_nothing_names_put(call: Caller) -> None:
    reply = call("DELETE")
    assert reply.status == 405
    assert reply.headers["allow"] == "GET, HEAD, POST, PUT"
