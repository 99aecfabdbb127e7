"""Files between nodes, over real sockets: sent, fetched, refused, and nothing else taken."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgelake import Node, limits
from edgelake.errors import (
    BadArgument,
    CommandSyntaxError,
    EdgeLakeError,
    FileMissing,
    FileTooLarge,
    FolderMissing,
    NoReply,
    Overloaded,
    PeerRefused,
    RemoteError,
    StorageError,
)
from edgelake.services.tcp import TcpService
from edgelake.wire import FileFlag, Job, file_blocks, request_blocks
from tests.old_node import OldNode, old_node
from tests.waiting import eventually


def start(home: Path) -> Node:
    """Return a node that listens."""
    node = Node(home)
    node.run("create work directories")
    node.run("run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true")
    return node


def address(node: Node) -> str:
    return str(node.run("get connections").data["TCP"]["external"])


def data(node: Node, *parts: str) -> Path:
    return node.home.base.joinpath("data", *parts)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Node]:
    """The node at which commands are typed."""
    with start(tmp_path / "here") as node:
        (data(node) / "tmp" / "a1.txt").write_bytes(b"hello file\nsecond line\n")
        yield node


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Node]:
    """A node that lets peers of the level admin in."""
    with start(tmp_path / "there") as node:
        node.run("set remote permission = admin")
        yield node


@pytest.fixture
def old() -> Iterator[OldNode]:
    """An existing node."""
    with old_node() as node:
        yield node


def tell(to: str, blocks: bytes) -> None:
    """Send blocks as a stranger does."""
    host, _, port = to.rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(blocks)


def settled(node: Node) -> None:
    """Wait until a node has handled all that was sent to it."""
    host, _, port = address(node).rpartition(":")

    def counts() -> bool:
        figures = node.run("get tcp info where format = json").data
        return bool(figures)

    assert counts()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(request_blocks("get status", host, 0))


# ------------------------------------------------------------------ sending


@pytest.mark.parametrize("size", [0, 1, 1800, 1841, 100_000])
def test_a_file_is_sent_as_it_is(here, there, size):
    content = os.urandom(size)
    (data(here) / "tmp" / "x.gz").write_bytes(content)
    sent = here.run(f"run client ({address(there)}) file copy !tmp_dir/x.gz !!tmp_dir/y.gz")
    assert sent.text == ""
    assert sent.data[0]["bytes"] == size
    assert (data(there) / "tmp" / "y.gz").read_bytes() == content


def test_an_existing_node_gets_what_existing_nodes_send(here, old):
    here.run(f'run client ({old.address}) file copy !tmp_dir/a1.txt "/srv/a b/x.txt"')
    eventually(lambda: bool(old.files), "the file")
    assert old.files == {"/srv/a b/x.txt": b"hello file\nsecond line\n"}
    (heard,) = [h for h in old.heard if h.command.startswith("file write")]
    assert heard.command == "file write /srv/a\tb/x.txt"
    assert heard.blocks[0][36] == 0
    here.run(f"run client ({old.address}) file copy !tmp_dir/a1.txt named.txt watch_dir")
    eventually(lambda: "named.txt" in old.files, "the second file")
    assert old.heard[-1].blocks[0][205:207] == b"\0\1"


def test_names_with_blanks_and_of_other_scripts(here, there):
    name = "größe ψ 漢字.txt"
    path = data(there) / "tmp" / name
    here.run(f'run client ({address(there)}) file copy !tmp_dir/a1.txt "{path}"')
    assert path.read_bytes().startswith(b"hello")
    here.run(f'run client ({address(there)}) file get "{path}" "{data(here)}/tmp/{name}"')
    assert (data(here) / "tmp" / name).read_bytes() == path.read_bytes()


def test_a_folder_as_target_keeps_the_name(here, there):
    to = address(there)
    here.run(f"run client ({to}) file copy !tmp_dir/a1.txt !!bkup_dir/")
    assert os.listdir(data(there) / "bkup") == ["a1.txt"]
    with pytest.raises(RemoteError, match="names a folder"):
        here.run(f"run client ({to}) file copy !tmp_dir/a1.txt !!bkup_dir")


def test_several_files_are_sent(here, there):
    for name in ("bla.json", "blb.js", "c.json"):
        (data(here) / "prep" / name).write_text(name)
    to = address(there)
    sent = here.run(f"run client ({to}) file copy !prep_dir/bl*.js* !!tmp_dir/")
    assert [entry["file"] for entry in sent.data] == ["!tmp_dir/bla.json", "!tmp_dir/blb.js"]
    assert sorted(os.listdir(data(there) / "tmp")) == ["bla.json", "blb.js"]
    with pytest.raises(CommandSyntaxError, match="need a folder"):
        here.run(f"run client ({to}) file copy !prep_dir/* !!tmp_dir")


def test_into_the_watch_folder(here, there):
    to = address(there)
    here.run(f"run client ({to}) file copy !tmp_dir/a1.txt orchard.pump.json watch_dir")
    assert os.listdir(data(there) / "watch") == ["orchard.pump.json"]
    for name in ("../tmp/x", "/etc/x", ".."):
        with pytest.raises(RemoteError):
            here.run(f"run client ({to}) file copy !tmp_dir/a1.txt {name} watch_dir")
    assert os.listdir(data(there) / "tmp") == []


def test_one_file_to_many(here, there, old):
    nobody = "127.0.0.1:1"
    nodes = f"{address(there)}, {old.address}, {nobody}"
    with pytest.raises(PeerRefused):
        here.run(f"run client ({nodes}) file copy !tmp_dir/a1.txt !!tmp_dir/m.txt")
    sent = here.run(
        f"run client ({nodes}, subset = true) file copy !tmp_dir/a1.txt !!tmp_dir/n.txt"
    )
    assert [entry["failure"] is None for entry in sent.data] == [True, True, False]
    assert nobody in sent.text
    assert (data(there) / "tmp" / "n.txt").is_file()
    assert "!tmp_dir/n.txt" in old.files


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("file copy !tmp_dir/a1.txt", CommandSyntaxError),
        ("file copy !tmp_dir/a1.txt !!tmp_dir/x ledger", CommandSyntaxError),
        ("file copy !tmp_dir/a1.txt !!tmp_dir/x watch_dir more", CommandSyntaxError),
        ("file copy !tmp_dir/none !!tmp_dir/x", FileMissing),
        ("file copy !tmp_dir !!tmp_dir/x", StorageError),
        ("file copy !tmp_dir/*.xml !!tmp_dir/", FileMissing),
        ("file get !!tmp_dir/x", CommandSyntaxError),
        ("file get !!tmp_dir/x !tmp_dir/no/x", FolderMissing),
        ("file get !!tmp_dir/x /dev/null", StorageError),
        ("file get !!tmp_dir/* !tmp_dir/x", FolderMissing),
        ("file get !!blockchain_file !tmp_dir", CommandSyntaxError),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(here, old, command, error):
    with pytest.raises(error):
        here.run(f"run client ({old.address}) {command}")
    assert old.heard == []


def test_a_request_for_a_file_goes_to_one_node(here, there, old):
    with pytest.raises(CommandSyntaxError, match="asks one node"):
        here.run(f"run client ({address(there)}, {old.address}) file get !!tmp_dir/x !tmp_dir/x")


def test_files_are_not_collected(here, old):
    with pytest.raises(CommandSyntaxError, match="no replies to collect"):
        here.run(f"x[] = run client ({old.address}) file copy !tmp_dir/a1.txt !!tmp_dir/x")
    assert old.heard == []


def test_a_file_over_the_limit_is_not_sent(here, there, monkeypatch):
    monkeypatch.setattr(limits, "MAX_TRANSFER_BYTES", 23)
    to = address(there)
    here.run(f"run client ({to}) file copy !tmp_dir/a1.txt !!tmp_dir/x")
    here.run(f"run client ({to}) file get !!tmp_dir/x !tmp_dir/y")
    (data(here) / "tmp" / "a1.txt").write_bytes(bytes(24))
    (data(there) / "tmp" / "x").write_bytes(bytes(24))
    with pytest.raises(FileTooLarge, match="longer than 23 bytes, the most that a message"):
        here.run(f"run client ({to}) file copy !tmp_dir/a1.txt !!tmp_dir/x")
    with pytest.raises(RemoteError, match="longer than 23 bytes") as caught:
        here.run(f"run client ({to}) file get !!tmp_dir/x !tmp_dir/y")
    assert caught.value.remote_code == FileTooLarge.code


def test_the_longest_file_arrives(here, there):
    (data(here) / "tmp" / "big").write_bytes(b"x" * limits.MAX_TRANSFER_BYTES)
    to = address(there)
    here.run(f"run client ({to}) file copy !tmp_dir/big !!tmp_dir/big")
    assert (data(there) / "tmp" / "big").stat().st_size == limits.MAX_TRANSFER_BYTES
    here.run(f"run client ({to}) file get !!tmp_dir/big !tmp_dir/back")
    assert (data(here) / "tmp" / "back").stat().st_size == limits.MAX_TRANSFER_BYTES


def test_so_many_files_at_once_and_no_more(here, there, monkeypatch):
    monkeypatch.setattr(limits, "MAX_TRANSFER_FILES", 3)
    for number in range(3):
        (data(here) / "prep" / f"f{number}").touch()
        (data(there) / "prep" / f"g{number}").touch()
    to = address(there)
    here.run(f"run client ({to}) file copy !prep_dir/f* !!tmp_dir/")
    here.run(f"run client ({to}) file get !!prep_dir/g* !bkup_dir")
    assert len(os.listdir(data(here) / "bkup")) == 3
    (data(here) / "prep" / "f3").touch()
    (data(there) / "prep" / "g3").touch()
    with pytest.raises(BadArgument, match="names 4 files, more than 3"):
        here.run(f"run client ({to}) file copy !prep_dir/f* !!tmp_dir/")
    with pytest.raises(RemoteError, match="names 4 files, more than 3"):
        here.run(f"run client ({to}) file get !!prep_dir/g* !tmp_dir")


# ----------------------------------------------------------------- fetching


@pytest.mark.parametrize("size", [0, 1, 1841, 100_000])
def test_a_file_is_fetched(here, there, size):
    content = os.urandom(size)
    (data(there) / "tmp" / "x").write_bytes(content)
    to = address(there)
    got = here.run(f"run client ({to}) file get !!tmp_dir/x !tmp_dir/y")
    assert got.text == ""
    assert got.data["bytes"] == size
    assert (data(here) / "tmp" / "y").read_bytes() == content
    here.run(f"run client ({to}) file get !!tmp_dir/x !bkup_dir")
    assert (data(here) / "bkup" / "x").read_bytes() == content


def test_several_files_are_fetched(here, there):
    for number in range(20):
        (data(there) / "prep" / f"f{number}.json").write_text(str(number))
    (data(there) / "prep" / "g.json").touch()
    got = here.run(f"run client ({address(there)}) file get !!prep_dir/f*.js* !bkup_dir/")
    assert len(got.data["files"]) == 20
    assert len(os.listdir(data(here) / "bkup")) == 20
    assert (data(here) / "bkup" / "f7.json").read_text() == "7"


def test_a_node_that_has_no_room_for_an_answer_gives_it_later(here, there, monkeypatch):
    for number in range(3):
        (data(there) / "prep" / f"f{number}").write_text("x")
    refused: list[str] = []
    real = TcpService.answer_file

    def answer_file(self, to, name, *args):
        if name.endswith(("f1", "/file")) and len(refused) < 3:
            refused.append(name)
            raise Overloaded("no room")
        real(self, to, name, *args)

    (data(there) / "tmp" / "f1").touch()
    monkeypatch.setattr(TcpService, "answer_file", answer_file)
    here.run(f"run client ({address(there)}) file get !!prep_dir/* !bkup_dir")
    assert len(refused) == 3
    refused.clear()
    with pytest.raises(RemoteError) as caught:  # one file alone is not waited for
        here.run(f"run client ({address(there)}) file get !!tmp_dir/f1 !tmp_dir/g")
    assert caught.value.remote_code == Overloaded.code
    assert sorted(os.listdir(data(here) / "bkup")) == ["f0", "f1", "f2"]


def test_large_files_go_to_as_many_nodes_as_there_is_room_for(here, there, old, monkeypatch):
    monkeypatch.setattr(limits, "MAX_PENDING_SEND_BYTES", 23)
    nodes = f"{address(there)}, {old.address}"
    sent = here.run(f"run client ({nodes}) file copy !tmp_dir/a1.txt !!tmp_dir/x")
    assert [entry["failure"] for entry in sent.data] == [None, None]
    assert (data(there) / "tmp" / "x").is_file()
    assert list(old.files) == ["!tmp_dir/x"]


def test_files_of_an_existing_node_are_fetched(here, old, monkeypatch):
    monkeypatch.setattr(limits, "TRANSFER_QUIET_S", 0.5)
    old.files = {"/srv/a b": b"blanks", "/srv/d/one": b"1", "/srv/d/two": b"22"}
    here.run(f'run client ({old.address}) file get "/srv/a b" !tmp_dir/y')
    assert (data(here) / "tmp" / "y").read_bytes() == b"blanks"
    got = here.run(f"run client ({old.address}) file get /srv/d/* !bkup_dir")
    assert sorted(os.listdir(data(here) / "bkup")) == ["one", "two"]
    assert got.data["bytes"] == 3


def test_what_a_peer_does_not_have(here, there, old):
    for to, path in ((address(there), "!!tmp_dir/none"), (old.address, "/srv/none")):
        with pytest.raises(RemoteError, match=r"'File get' operation failed: <.*none") as caught:
            here.run(f"run client ({to}) file get {path} !tmp_dir/y")
        assert caught.value.remote_code == 12
    assert not (data(here) / "tmp" / "y").exists()


def test_a_peer_that_sends_nothing_is_not_waited_for_longer_than_told(here):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        to = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(NoReply, match="did not send the file within 1 seconds"):
            here.run(f"run client ({to}, timeout = 1) file get /x !tmp_dir/y")


def test_a_name_that_was_asked_for_is_taken_once_and_only_while_it_is_awaited(here, old):
    """A peer that knows the name cannot write a second file, nor one beside it."""
    old.files = {"/srv/x": b"asked"}
    here.run(f"run client ({old.address}) file get /srv/x !tmp_dir/y")
    asked = next(h.command for h in old.heard if h.command.startswith("file get"))
    name = asked.split(" ")[3]
    assert re.fullmatch(r"/edgelake/[0-9a-f]{24}/file", name)
    host, port = old.host, old.port
    tell(address(here), file_blocks(name, b"late", FileFlag.PATH, host, port))
    eventually(lambda: bool(old.errors), "the refusal")
    assert old.errors[0][0] == 212
    assert (data(here) / "tmp" / "y").read_bytes() == b"asked"


def test_what_comes_beside_the_files_that_were_asked_for_is_not_taken(here):
    """A peer that answers a pattern with names that lead elsewhere."""
    wicked = ["../g.json", "/etc/g.json", "..", ".", "", "a/g.json", ".g.json", "g.sh", "x.json"]
    done = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            content = b""
            while len(content) < 2048:
                content += connection.recv(65536)
        command = content[207 : 207 + int.from_bytes(content[39:41], "big")].decode()
        place = command.split(" ")[3]
        host, port = listener.getsockname()
        for name in (*wicked, "good.json"):
            tell(address(here), file_blocks(place + name, b"x", FileFlag.PATH, host, port))
        done.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        to = f"127.0.0.1:{listener.getsockname()[1]}"
        got = here.run(f"run client ({to}) file get /srv/g*.json !bkup_dir")
        thread.join()
    assert [Path(path).name for path in got.data["files"]] == ["good.json"]
    assert os.listdir(data(here) / "bkup") == ["good.json"]
    assert sorted(os.listdir(data(here) / "tmp")) == ["a1.txt"]


# -------------------------------------------------------------- what is allowed


@pytest.mark.parametrize("level", ["read", "metadata"])
def test_below_admin_the_ledger_is_all_there_is(here, there, level):
    there.run(f"set remote permission = {level}")
    there.home.ledger_file.write_bytes(b'{"device": {"name": "d1"}}\n')
    (data(there) / "tmp" / "x").touch()
    to = address(there)
    here.run(f"run client ({to}) file get !!blockchain_file !tmp_dir/ledger.json")
    assert (data(here) / "tmp" / "ledger.json").read_bytes() == there.home.ledger_file.read_bytes()
    for path in ("!!tmp_dir/x", "!!blockchain_dir/*", "!!blockchain_dir/other", "/etc/hostname"):
        target = "!bkup_dir" if "*" in path else "!tmp_dir/y"
        with pytest.raises(RemoteError, match="may not be read from remote") as caught:
            here.run(f"run client ({to}) file get {path} {target}")
        assert caught.value.remote_code == 294
    with pytest.raises(RemoteError, match="'File write' operation failed") as caught:
        here.run(f"run client ({to}) file copy !tmp_dir/a1.txt !!tmp_dir/z")
    assert caught.value.remote_code == 212
    for command in (
        "file test !!tmp_dir/x",
        "file hash !!tmp_dir/x",
        "file delete !!tmp_dir/x",
        "file move !!tmp_dir/x !!tmp_dir/y",
        "get files !!tmp_dir",
        "get size !!tmp_dir",
        "directory !!tmp_dir get file",
        "delete archive where days = 1",
        "set script x print 1",
        "get script x",
    ):
        with pytest.raises(RemoteError) as caught:
            here.run(f"run client ({to}) {command}")
        assert caught.value.remote_code == 212, command
    assert os.listdir(data(there) / "tmp") == ["x"]


def test_an_admin_peer_works_on_files_of_the_work_folders(here, there):
    to = address(there)
    (data(there) / "tmp" / "x").write_bytes(b"hello")
    assert (
        "5d41402abc4b2a76b9719d911017c592"
        in here.run(f"run client ({to}) file hash !!tmp_dir/x").text
    )
    here.run(f"run client ({to}) file move !!tmp_dir/x !!bkup_dir")
    here.run(f"run client ({to}) file compress !!bkup_dir/x !!archive_dir/x.gz")
    here.run(f"run client ({to}) file delete !!bkup_dir/x")
    assert os.listdir(data(there) / "archive") == ["x.gz"]
    assert os.listdir(data(there) / "bkup") == []
    assert "x.gz" in here.run(f"run client ({to}) get files !!archive_dir").text


def test_an_admin_peer_gets_at_nothing_else(here, there):
    to = address(there)
    there.home.ledger_file.write_bytes(b"\n")
    (data(there) / "pem" / "key").write_bytes(b"key")
    (there.home.scripts_dir / "s.al").write_text("print 1")
    (data(there) / "tmp" / "link").symlink_to(data(there) / "pem")
    (data(there) / "tmp" / "flink").symlink_to(data(there) / "pem" / "key")
    os.mkfifo(data(there) / "tmp" / "pipe")
    for path in (
        "!!pem_dir/key",
        "!!local_scripts/s.al",
        "!!tmp_dir/../pem/key",
        "!!tmp_dir/link/key",
        "!!tmp_dir/flink",
        "!!tmp_dir/pipe",
        "!!edgelake_path/.lock",
        "!!id_dir/x",
        "/etc/hostname",
        "/dev/zero",
        "/proc/self/environ",
    ):
        with pytest.raises(RemoteError):
            here.run(f"run client ({to}) file get {path} !tmp_dir/y")
        with pytest.raises(RemoteError):
            here.run(f"run client ({to}) file copy !tmp_dir/a1.txt {path}")
        with pytest.raises(RemoteError):
            here.run(f"run client ({to}) file hash {path}")
    for path in ("!!blockchain_file", "!!dbms_dir/x.dbms", "!!blockchain_dir/x.new"):
        with pytest.raises(RemoteError) as caught:
            here.run(f"run client ({to}) file copy !tmp_dir/a1.txt {path}")
        assert caught.value.remote_code == 294
        with pytest.raises(RemoteError):
            here.run(f"run client ({to}) file delete {path}")
    for command in ("set script x print 1", "get script s"):
        with pytest.raises(RemoteError):
            here.run(f"run client ({to}) {command}")
    assert not (data(here) / "tmp" / "y").exists()
    assert (data(there) / "pem" / "key").read_bytes() == b"key"
    assert there.home.ledger_file.read_bytes() == b"\n"


def test_a_peer_that_has_its_copies_made_here_gets_no_further(there, old):
    (data(there) / "pem" / "key").write_bytes(b"key")
    (data(there) / "tmp" / "x").write_bytes(b"x")
    for words in (
        "copy !pem_dir/key !tmp_dir/stolen",
        "copy !tmp_dir/x !pem_dir/key",
        "move !pem_dir/key !tmp_dir/stolen",
        "encode !pem_dir/key !tmp_dir/stolen",
        "copy !pem_dir/* !tmp_dir",
        "copy !tmp_dir/* !pem_dir",
        "copy !tmp_dir/* !pem_dir/",
        "delete !pem_dir/key ignore\terror",
        "to !pem_dir/x where source = !tmp_dir/x",
        "to !tmp_dir/y where source = !pem_dir/key",
    ):
        old.errors.clear()
        old.run_client(address(there), f"file {words}")
        eventually(lambda: bool(old.errors), f"the refusal of {words}")
        assert old.errors[0][0] == (212 if words.startswith("to") else 294), words
    assert os.listdir(data(there) / "tmp") == ["x"]
    assert (data(there) / "pem" / "key").read_bytes() == b"key"


def test_variables_that_a_peer_sets_widen_nothing(here, there):
    to = address(there)
    here.run(f"run client ({to}) set tmp_dir = /etc")
    here.run(f"run client ({to}) set watch_dir = /tmp")
    here.run(f"run client ({to}) set archive_dir = /")
    for command in (
        "file get !!tmp_dir/hostname !tmp_dir/y",
        "file copy !tmp_dir/a1.txt !!tmp_dir/x",
        "file copy !tmp_dir/a1.txt x watch_dir",
        "get archived files 2026-03-01",
        "delete archive where days = 1",
    ):
        with pytest.raises(RemoteError) as caught:
            here.run(f"run client ({to}) {command}")
        assert caught.value.remote_code == 294


@pytest.mark.parametrize("flag", list(FileFlag))
@pytest.mark.parametrize("name", ["x", "/etc/x", "../x", "!nosuch/x", "!tmp_dir", "", "a\0b"])
def test_files_of_strangers_change_nothing(here, there, old, flag, name):
    before = sorted(str(path) for path in there.home.base.rglob("*"))
    tell(address(there), file_blocks(name, b"", flag, old.host, old.port))
    if flag is FileFlag.WATCH and name in ("x", "!tmp_dir"):
        eventually(lambda: (data(there) / "watch" / name).exists(), "the file it may send")
        return
    if flag is FileFlag.COMMAND:
        settled(there)
    else:
        eventually(lambda: bool(old.errors), "the refusal")
        assert old.errors[0][1].startswith("'File write' operation failed: <")
    assert sorted(str(path) for path in there.home.base.rglob("*")) == before


def test_an_existing_node_hears_of_success_by_silence(there, old):
    target = data(there) / "tmp" / "x"
    tell(address(there), file_blocks(str(target), b"hello", FileFlag.PATH, old.host, old.port))
    eventually(target.exists, "the file")
    old.run_client(address(there), "get status")
    eventually(lambda: bool(old.notices), "a later answer")
    assert len(old.notices) == 1


def test_a_node_of_this_kind_is_told(there, old):
    target = data(there) / "tmp" / "x"
    job = Job(number=77)
    tell(address(there), file_blocks(str(target), b"hi", FileFlag.PATH, old.host, old.port, job))
    eventually(lambda: 77 in old.answers, "the answer")
    assert old.answers[77] == "2 bytes written"


def test_requests_of_existing_nodes_are_served(there, old):
    (data(there) / "tmp" / "a b").write_bytes(b"hello")
    path = f"{data(there)}/tmp/a b".replace(" ", "\t")
    old.run_client(address(there), f"file get {path} /srv/x")
    eventually(lambda: "/srv/x" in old.files, "the file")
    assert old.files["/srv/x"] == b"hello"
    old.run_client(address(there), "file get !tmp_dir/* /srv/dir/")
    eventually(lambda: "/srv/dir/a b" in old.files, "the file of the pattern")
    old.run_client(address(there), "file get !tmp_dir/none /srv/y")
    eventually(lambda: bool(old.errors), "the refusal")
    assert old.errors[0] == (
        12,
        f"'File get' operation failed: <file '{data(there)}/tmp/none' does not exist>",
    )


def test_an_error_of_a_peer_is_in_one_line(here, there):
    with pytest.raises(EdgeLakeError) as caught:
        here.run(f"run client ({address(there)}) file copy !tmp_dir/a1.txt !!tmp_dir/no/x")
    assert "\n" not in str(caught.value)
    assert caught.value.code == FolderMissing.code
