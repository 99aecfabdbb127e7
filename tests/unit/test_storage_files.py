"""Files are worked on within a reach, whole or not at all, whatever stands in the way."""

from __future__ import annotations

import base64
import contextlib
import errno
import gzip
import hashlib
import os
import socket
import stat
from pathlib import Path

import pytest

from edgelake import limits
from edgelake.errors import (
    DecodingFailed,
    DecompressionFailed,
    EdgeLakeError,
    FileMissing,
    FileNotPermitted,
    FileTooLarge,
    FileWriteFailed,
    FolderMissing,
    StorageError,
)
from edgelake.storage import (
    EVERYWHERE,
    Home,
    Reach,
    Use,
    compress_file,
    copy_file,
    decode_file,
    decompress_file,
    delete_file,
    encode_file,
    fetch_file,
    file_exists,
    hash_file,
    landing,
    matching_files,
    move_file,
    name_pattern,
    store_file,
)

CONTENT = bytes(range(256)) * 1000
CHANGES = [compress_file, decompress_file, encode_file, decode_file]


@pytest.fixture
def small_pieces(monkeypatch):
    """Have files read in pieces that end in the middle of everything."""
    monkeypatch.setattr(limits, "FILE_CHUNK_BYTES", 1000)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that peers may use, beside one that they may not."""
    (tmp_path / "shared" / "inner").mkdir(parents=True)
    (tmp_path / "shared" / "f").write_bytes(b"for all")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "f").write_bytes(b"secret")
    return tmp_path / "shared"


@pytest.fixture
def reach(shared: Path) -> Reach:
    """What a peer may touch: the shared folder."""
    return Reach([shared], [shared])


def left(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# ------------------------------------------------------------ copy and move


@pytest.mark.parametrize("name", ["b", "a name with blanks", "größe-ψ-漢字", "'quoted'", "#x"])
def test_a_copy_is_whole_and_keeps_the_permissions(tmp_path, small_pieces, name):
    (tmp_path / "a").write_bytes(CONTENT)
    (tmp_path / "a").chmod(0o640)
    assert copy_file(f"{tmp_path}/a", f"{tmp_path}/{name}") == len(CONTENT)
    assert (tmp_path / name).read_bytes() == CONTENT
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640
    assert left(tmp_path) == sorted(["a", name])


def test_a_program_that_changes_its_user_loses_that_in_a_copy(tmp_path):
    (tmp_path / "a").touch()
    (tmp_path / "a").chmod(0o4755)
    copy_file(f"{tmp_path}/a", f"{tmp_path}/b")
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o755


def test_a_copy_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(CONTENT)
    (tmp_path / "b").write_bytes(b"old")

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(FileWriteFailed, match="no space left"):
        copy_file(f"{tmp_path}/a", f"{tmp_path}/b")
    monkeypatch.undo()
    assert (tmp_path / "b").read_bytes() == b"old"
    assert left(tmp_path) == ["a", "b"]


def test_a_source_that_cannot_be_read_is_not_called_a_failed_write(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(CONTENT)

    def broken(*args):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "read", broken)
    with pytest.raises(StorageError, match=r"cannot read '.*/a': input/output error") as caught:
        copy_file(f"{tmp_path}/a", f"{tmp_path}/b")
    assert not isinstance(caught.value, FileWriteFailed)
    assert left(tmp_path) == ["a"]


def test_where_a_file_goes(tmp_path):
    (tmp_path / "dir").mkdir()
    assert landing("/x/a", f"{tmp_path}/dir") == f"{tmp_path}/dir/a"
    assert landing("/x/a", f"{tmp_path}/dir/") == f"{tmp_path}/dir/a"
    assert landing("/x/a", f"{tmp_path}/new") == f"{tmp_path}/new"
    assert landing("/x/a", f"{tmp_path}/new/") == f"{tmp_path}/new/a"


def test_a_file_is_moved_in_one_step(tmp_path):
    (tmp_path / "a").write_bytes(b"new")
    (tmp_path / "b").write_bytes(b"old")
    before = (tmp_path / "a").stat().st_ino
    move_file(f"{tmp_path}/a", f"{tmp_path}/b")
    assert (tmp_path / "b").read_bytes() == b"new"
    assert (tmp_path / "b").stat().st_ino == before
    assert left(tmp_path) == ["b"]


def test_a_move_to_another_file_system_copies_and_then_removes(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(CONTENT)

    def other(*args, **kwargs):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "rename", other)
    move_file(f"{tmp_path}/a", f"{tmp_path}/b")
    assert (tmp_path / "b").read_bytes() == CONTENT
    assert left(tmp_path) == ["b"]


@pytest.mark.parametrize("work", [copy_file, move_file, *CHANGES])
def test_the_target_is_not_the_source(tmp_path, work):
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to("a")
    for other in ("a", "link", "../" + tmp_path.name + "/a"):
        with pytest.raises(StorageError, match="is the source itself"):
            work(f"{tmp_path}/a", f"{tmp_path}/{other}")
    assert (tmp_path / "a").read_bytes() == b"x"


@pytest.mark.parametrize("work", [copy_file, move_file, *CHANGES])
def test_what_is_missing_is_named(tmp_path, work):
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(FileMissing, match="/none' does not exist"):
        work(f"{tmp_path}/none", f"{tmp_path}/b")
    with pytest.raises(FileMissing, match="/no/a' does not exist"):
        work(f"{tmp_path}/no/a", f"{tmp_path}/b")
    with pytest.raises(FolderMissing, match="/no' does not exist"):
        work(f"{tmp_path}/a", f"{tmp_path}/no/b")
    with pytest.raises(FolderMissing, match="/a' does not exist"):
        work(f"{tmp_path}/a", f"{tmp_path}/a/b")
    assert left(tmp_path) == ["a"]


@pytest.mark.parametrize("work", [copy_file, *CHANGES])
def test_a_folder_that_takes_no_files(tmp_path, work):
    content = {decompress_file: gzip.compress(b"x"), decode_file: b"eA=="}
    (tmp_path / "a").write_bytes(content.get(work, b"x"))
    with pytest.raises(FileWriteFailed, match="cannot write '/proc/self/new'"):
        work(f"{tmp_path}/a", "/proc/self/new")


@pytest.mark.parametrize("work", [copy_file, move_file, *CHANGES])
@pytest.mark.parametrize("kind", ["folder", "pipe", "socket"])
def test_what_is_no_file_is_neither_read_nor_replaced(tmp_path, work, kind):
    odd, good = tmp_path / "odd", tmp_path / "good"
    good.write_bytes(b"x")
    listener = socket.socket(socket.AF_UNIX)
    if kind == "folder":
        odd.mkdir()
    elif kind == "pipe":
        os.mkfifo(odd)
    else:
        listener.bind(str(odd))
    with listener:
        with pytest.raises(StorageError, match=f"is a {kind}, not a file"):
            work(str(odd), f"{tmp_path}/new")
        with pytest.raises(StorageError, match=f"is a {kind}, not a file"):
            work(str(good), str(odd))
    assert left(tmp_path) == ["good", "odd"]


def test_a_device_is_not_read():
    with pytest.raises(StorageError, match="'/dev/zero' is a device, not a file"):
        hash_file("/dev/zero")


# ------------------------------------------------------- delete, test, hash


def test_delete(tmp_path):
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to("a")
    delete_file(f"{tmp_path}/link")
    assert left(tmp_path) == ["a"]
    delete_file(f"{tmp_path}/a")
    with pytest.raises(FileMissing):
        delete_file(f"{tmp_path}/a")
    with pytest.raises(StorageError, match="names a folder"):
        delete_file(f"{tmp_path}/")
    (tmp_path / "dir").mkdir()
    with pytest.raises(StorageError, match="is a folder"):
        delete_file(f"{tmp_path}/dir")


def test_existence(tmp_path):
    (tmp_path / "a").touch()
    found = [file_exists(f"{tmp_path}{end}") for end in ("", "/", "/a", "/a/", "/b", "/b/c")]
    assert found == [True, True, True, False, False, False]


def test_the_hash_is_that_of_the_bytes(tmp_path, small_pieces):
    (tmp_path / "a").write_bytes(CONTENT)
    assert hash_file(f"{tmp_path}/a") == hashlib.md5(CONTENT).hexdigest()


def test_a_file_is_fetched_up_to_its_limit(tmp_path, small_pieces):
    (tmp_path / "a").write_bytes(b"x" * 2500)
    assert fetch_file(f"{tmp_path}/a", 2500) == b"x" * 2500
    with pytest.raises(FileTooLarge, match="longer than 2,499 bytes, as agreed"):
        fetch_file(f"{tmp_path}/a", 2499, why="as agreed")


def test_a_file_that_grows_while_it_is_fetched_stays_within_the_limit(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"x" * 10)
    real = os.read
    monkeypatch.setattr(os, "read", lambda fd, size: real(fd, size) and b"y" * 1000)
    with pytest.raises(FileTooLarge):
        fetch_file(f"{tmp_path}/a", 10)


@pytest.mark.parametrize("path", ["", "a\0b", "\ud83d", "x" * (limits.MAX_PATH_CHARS + 1)])
def test_what_is_no_path_is_refused_in_one_line(path):
    for call in (hash_file, delete_file, file_exists):
        with pytest.raises(StorageError) as caught:
            call(path)
        assert "\n" not in str(caught.value)


def test_the_longest_path_is_left_to_the_system():
    with pytest.raises(StorageError, match="name too long"):
        hash_file("x" * limits.MAX_PATH_CHARS)


# ------------------------------------------------------------------ pattern


def test_patterns(tmp_path):
    for name in ("bla.json", "blb.js", "c.json", ".bl.json", "bl[1].json", "bl\n.json"):
        (tmp_path / name).touch()
    (tmp_path / "bldir.json").mkdir()
    (tmp_path / "bllink.json").symlink_to("bla.json")
    (tmp_path / ".bla.json.0123456789abcdef.edgelake-tmp").touch()

    def names(pattern):
        return [os.path.basename(path) for path in matching_files(f"{tmp_path}/{pattern}")]

    assert names("*") == ["bl\n.json", "bl[1].json", "bla.json", "blb.js", "c.json"]
    assert names("bl*.js*") == ["bl\n.json", "bl[1].json", "bla.json", "blb.js"]
    assert names("bl[1]*") == ["bl[1].json"]
    assert names(".*") == [".bl.json"]
    with pytest.raises(FileMissing, match="no file matches"):
        names("x*")
    with pytest.raises(FolderMissing):
        names("*/x*")


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("a*", "a", True),
        ("a**", "abc", True),
        ("*a*b", "xaxbxb", True),
        ("*a*b", "b a", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*ab*ab", "xab", False),
        ("*ab*ab", "xabab", True),
        ("*.al*", "x.al", True),
        ("*a" * 60 + "b", "a" * 255, False),
        ("*a" * 60, "a" * 255, True),
        ("*" * limits.MAX_PATH_CHARS, "a" * 255, True),
    ],
)
def test_patterns_fit_names_at_once(pattern, name, fits):
    assert (name_pattern(pattern).fullmatch(name) is not None) is fits


def test_a_pattern_is_no_longer_than_a_path(tmp_path):
    with pytest.raises(StorageError, match="exceeds"):
        matching_files(f"{tmp_path}/" + "*" * (limits.MAX_PATH_CHARS + 1))


def test_a_pattern_names_so_many_files_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_LISTED_FILES", 3)
    for number in range(3):
        (tmp_path / f"f{number}").touch()
    assert len(matching_files(f"{tmp_path}/*")) == 3
    (tmp_path / "f3").touch()
    with pytest.raises(StorageError, match="more than 3 names"):
        matching_files(f"{tmp_path}/*")


# ------------------------------------------------------ compressed, encoded


@pytest.mark.parametrize("content", [b"", b"x", CONTENT])
def test_compressed_and_back(tmp_path, small_pieces, content):
    (tmp_path / "a").write_bytes(content)
    compress_file(f"{tmp_path}/a", f"{tmp_path}/a.gz")
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == content
    assert decompress_file(f"{tmp_path}/a.gz", f"{tmp_path}/b") == len(content)
    assert (tmp_path / "b").read_bytes() == content


def test_several_gzip_files_in_one_with_padding(tmp_path, small_pieces):
    whole = gzip.compress(CONTENT) + b"\0" * 700 + gzip.compress(b"end") + b"\0" * 2000
    (tmp_path / "a").write_bytes(whole)
    decompress_file(f"{tmp_path}/a", f"{tmp_path}/b")
    assert (tmp_path / "b").read_bytes() == CONTENT + b"end"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"plain text",
        gzip.compress(CONTENT, mtime=0)[:-1],
        gzip.compress(CONTENT, mtime=0)[:-9] + b"12345678" + b"x",
        gzip.compress(b"x", mtime=0) + b"rubbish",
        gzip.compress(b"x", mtime=0)[:5],
    ],
)
def test_damaged_gzip_files_write_nothing(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "b").write_bytes(b"old")
    with pytest.raises(DecompressionFailed):
        decompress_file(f"{tmp_path}/a", f"{tmp_path}/b")
    assert (tmp_path / "b").read_bytes() == b"old"
    assert left(tmp_path) == ["a", "b"]


def test_a_bomb_is_stopped_at_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_DECOMPRESSED_BYTES", 5000)
    (tmp_path / "a").write_bytes(gzip.compress(bytes(5000)))
    assert decompress_file(f"{tmp_path}/a", f"{tmp_path}/b") == 5000
    (tmp_path / "a").write_bytes(gzip.compress(bytes(5001)))
    with pytest.raises(DecompressionFailed, match="more than 5,000 bytes"):
        decompress_file(f"{tmp_path}/a", f"{tmp_path}/c")
    assert left(tmp_path) == ["a", "b"]


def test_a_bomb_is_never_whole_in_memory(tmp_path, monkeypatch):
    sizes: list[int] = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: (sizes.append(len(data)), real(fd, data))[1])
    monkeypatch.setattr(limits, "FILE_CHUNK_BYTES", 4096)
    (tmp_path / "a").write_bytes(gzip.compress(bytes(1_000_000)))
    decompress_file(f"{tmp_path}/a", f"{tmp_path}/b")
    assert sum(sizes) == 1_000_000
    assert max(sizes) <= 4096


@pytest.mark.parametrize("content", [b"", b"x", b"xy", CONTENT])
def test_encoded_and_back(tmp_path, small_pieces, content):
    (tmp_path / "a").write_bytes(content)
    encode_file(f"{tmp_path}/a", f"{tmp_path}/a.msg")
    assert (tmp_path / "a.msg").read_bytes() == base64.b64encode(content)
    decode_file(f"{tmp_path}/a.msg", f"{tmp_path}/b")
    assert (tmp_path / "b").read_bytes() == content


def test_base64_in_lines(tmp_path, small_pieces):
    (tmp_path / "a").write_bytes(base64.encodebytes(CONTENT).replace(b"\n", b"\r\n "))
    decode_file(f"{tmp_path}/a", f"{tmp_path}/b")
    assert (tmp_path / "b").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "content",
    [
        b"eHl",
        b"eHl6=",
        b"e H l = x x x x",
        b"eA==" * 2,
        b"$$$$",
        base64.b64encode(b"xy" * 499) + b"eHl6" * 500,
        bytes(300),
    ],
)
def test_what_is_no_base64_writes_nothing(tmp_path, small_pieces, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DecodingFailed, match="'a' is not base64 text"):
        decode_file(f"{tmp_path}/a", f"{tmp_path}/b")
    assert left(tmp_path) == ["a"]


# -------------------------------------------------------------------- reach

ESCAPES = [
    "{0}/../secret/f",
    "{0}/inner/../../secret/f",
    "{0}/./../secret/f",
    "{0}2/f",
    "//etc/passwd",
    "/etc/passwd",
    "f",
    "../secret/f",
    "~/f",
    "{0}",
    "{0}/",
    "{0}/inner/..",
]


@pytest.mark.parametrize("path", ESCAPES)
@pytest.mark.parametrize("use", list(Use))
def test_no_path_leads_out(shared, reach, path, use):
    with (
        pytest.raises(EdgeLakeError) as caught,
        reach.spot(path.format(shared), use),
    ):
        pass
    assert isinstance(caught.value, FileNotPermitted) or "names a folder" in str(caught.value)


@pytest.mark.parametrize("link", ["file", "folder", "parent"])
def test_links_lead_nowhere(shared, reach, link):
    where = {"file": "../secret/f", "folder": "../secret", "parent": ".."}[link]
    (shared / "link").symlink_to(where)
    path = {"file": "link", "folder": "link/f", "parent": "link/secret/f"}[link]
    with pytest.raises(StorageError):
        fetch_file(f"{shared}/{path}", 100, reach)
    with pytest.raises(StorageError):
        store_file(f"{shared}/{path}", b"broken", reach)
    with pytest.raises(StorageError):
        copy_file(f"{shared}/f", f"{shared}/{path}", reach)
    with pytest.raises(StorageError):
        matching_files(f"{shared}/link/*", reach)
    assert (shared.parent / "secret" / "f").read_bytes() == b"secret"
    assert left(shared.parent / "secret") == ["f"]


def test_a_link_put_in_the_place_of_a_folder_changes_nothing(shared, reach):
    (shared / "inner" / "f").write_bytes(b"inner")
    with reach.spot(f"{shared}/inner/f") as spot:
        (shared / "inner").rename(shared / "moved")
        (shared / "inner").symlink_to(shared.parent / "secret")
        with spot.open() as descriptor:
            assert os.read(descriptor, 100) == b"inner"
    with pytest.raises(StorageError):
        fetch_file(f"{shared}/inner/f", 100, reach)


def test_a_link_put_in_the_place_of_a_file_is_not_followed(shared, reach, monkeypatch):
    real = os.stat

    def swap(name, **kwargs):
        found = real(name, **kwargs)
        monkeypatch.undo()
        (shared / "f").unlink()
        (shared / "f").symlink_to("../secret/f")
        return found

    monkeypatch.setattr(os, "stat", swap)
    with pytest.raises(StorageError, match="cannot read"):
        fetch_file(f"{shared}/f", 100, reach)


def test_a_pipe_put_in_the_place_of_a_file_holds_nobody(shared, reach, monkeypatch):
    real = os.stat

    def swap(name, **kwargs):
        found = real(name, **kwargs)
        monkeypatch.undo()
        (shared / "f").unlink()
        os.mkfifo(shared / "f")
        return found

    monkeypatch.setattr(os, "stat", swap)
    with pytest.raises(StorageError, match="is a pipe"):
        fetch_file(f"{shared}/f", 100, reach)


def test_a_permitted_folder_may_itself_be_a_link(tmp_path, shared):
    (tmp_path / "big").symlink_to(shared)
    reach = Reach([tmp_path / "big"], [tmp_path / "big"])
    assert fetch_file(f"{tmp_path}/big/f", 100, reach) == b"for all"
    store_file(f"{tmp_path}/big/inner/new", b"x", reach)
    assert (shared / "inner" / "new").read_bytes() == b"x"


def test_what_may_only_be_read_is_not_written(shared):
    reach = Reach([shared], [])
    assert fetch_file(f"{shared}/f", 100, reach) == b"for all"
    with pytest.raises(FileNotPermitted, match="may not be written from remote"):
        store_file(f"{shared}/new", b"x", reach)
    with pytest.raises(FileNotPermitted, match="may not be removed from remote"):
        delete_file(f"{shared}/f", reach)
    with pytest.raises(FileNotPermitted, match="may not be removed from remote"):
        move_file(f"{shared}/f", f"{shared}/g", reach)
    assert left(shared) == ["f", "inner"]


def test_a_single_file_is_all_that_may_be_read(shared):
    reach = Reach((), (), (shared / "f",))
    assert fetch_file(f"{shared}/f", 100, reach) == b"for all"
    assert fetch_file(f"{shared}/inner/../f", 100, reach) == b"for all"
    for path in (f"{shared}/inner/x", f"{shared}/f2", f"{shared}/f/x"):
        with pytest.raises(FileNotPermitted):
            fetch_file(path, 100, reach)
    with pytest.raises(FileNotPermitted):
        matching_files(f"{shared}/*", reach)
    (shared / "f").unlink()
    (shared / "f").symlink_to("../secret/f")
    with pytest.raises(StorageError, match="symbolic link"):
        fetch_file(f"{shared}/f", 100, reach)


def test_what_peers_of_a_node_may_touch(tmp_path):
    home = Home(tmp_path / "home")
    home.create_work_directories()
    reach = home.reach_of_peers()

    def allowed(folder: Path) -> str:
        rights = ""
        for letter, use in (("r", Use.READ), ("w", Use.WRITE), ("d", Use.REMOVE)):
            try:
                with reach.spot(str(folder / "x"), use):
                    rights += letter
            except FileNotPermitted:
                pass
        return rights

    found = {str(f.relative_to(home.base)): allowed(f) for f in home.work_directories()}
    assert found == {
        ".": "",
        "anylog": "",
        "blockchain": "r",
        "data": "",
        "data/archive": "rwd",
        "data/bkup": "rwd",
        "data/blobs": "rwd",
        "data/bwatch": "rwd",
        "data/dbms": "r",
        "data/distr": "rwd",
        "data/error": "rwd",
        "data/pem": "",
        "data/prep": "rwd",
        "data/test": "rwd",
        "data/tmp": "rwd",
        "data/watch": "rwd",
        "scripts": "",
    }
    with pytest.raises(FileNotPermitted):
        fetch_file(str(home.root / ".lock"), 100, reach)


def test_the_nodes_own_commands_follow_links(tmp_path, shared):
    (tmp_path / "link").symlink_to(shared / "f")
    assert fetch_file(f"{tmp_path}/link", 100, EVERYWHERE) == b"for all"
    store_file(f"{tmp_path}/link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (shared / "f").read_bytes() == b"new"


def test_no_descriptor_is_left_open(tmp_path, shared, reach):
    before = len(os.listdir("/proc/self/fd"))
    for path in ("f", "none", "inner/none", "no/f", "../secret/f", "inner"):
        for call in (hash_file, delete_file, file_exists):
            with contextlib.suppress(StorageError, FileNotPermitted):
                call(f"{shared}/{path}", reach)
    assert len(os.listdir("/proc/self/fd")) == before
