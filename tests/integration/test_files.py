"""Commands on files, as they are typed at a node."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edgelake import Node, limits
from edgelake.errors import (
    BadArgument,
    CommandSyntaxError,
    DecompressionFailed,
    EdgeLakeError,
    FileMissing,
    FolderMissing,
    ScriptMissing,
    StorageError,
    UnknownCommand,
    WrongValue,
)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node with its work folders, and a file in the one for temporary files."""
    with Node(tmp_path / "home") as made:
        made.run("create work directories")
        (tmp(made) / "a1.txt").write_bytes(b"hello")
        yield made


def tmp(node: Node) -> Path:
    return node.home.base / "data" / "tmp"


def left(node: Node) -> list[str]:
    return sorted(os.listdir(tmp(node)))


# -------------------------------------------------------- one after the other


def test_the_life_of_a_file(node):
    assert node.run("file test !tmp_dir").text == "True"
    node.run("seen = file test !tmp_dir/a1.txt")
    assert node.run("get !seen").text == "True"
    node.run("file copy !tmp_dir/a1.txt !tmp_dir/a2.txt")
    node.run("file move !tmp_dir/a2.txt !tmp_dir/a3.txt")
    assert node.run("file hash !tmp_dir/a3.txt").text == "5d41402abc4b2a76b9719d911017c592"
    node.run("file compress !tmp_dir/a3.txt")
    assert left(node) == ["a1.txt", "a3.txt", "a3.txt.gz"]
    node.run("file delete !tmp_dir/a3.txt")
    node.run("file decompress !tmp_dir/a3.txt.gz")
    assert (tmp(node) / "a3.txt").read_bytes() == b"hello"
    node.run("file encode !tmp_dir/a3.txt")
    assert (tmp(node) / "a3.txt.msg").read_bytes() == b"aGVsbG8="
    node.run("file delete !tmp_dir/a3.txt")
    node.run("file decode !tmp_dir/a3.txt.msg")
    assert (tmp(node) / "a3.txt").read_bytes() == b"hello"
    assert node.run("file test !tmp_dir/a9.txt").data is False


def test_success_is_silent(node):
    for command in ("copy", "compress", "encode", "move"):
        assert node.run(f"file {command} !tmp_dir/a1.txt !tmp_dir/b.{command}").text == ""
    assert node.run("file delete !tmp_dir/b.move").text == ""


def test_names_with_blanks_and_other_scripts(node):
    node.run('file copy !tmp_dir/a1.txt !tmp_dir + "/mit leerzeichen größe.txt"')
    assert "mit leerzeichen größe.txt" in left(node)
    node.run(f'file copy !tmp_dir/a1.txt "{tmp(node)}/漢 字 = (1) & #2.txt"')
    assert "漢 字 = (1) & #2.txt" in left(node)
    node.run(f'name = "{tmp(node)}/漢 字 = (1) & #2.txt"')
    assert node.run("file test !name").data is True
    node.run("file delete !name")
    assert node.run("file test !name").data is False


def test_several_files(node):
    (tmp(node) / "b.txt").write_bytes(b"b")
    (tmp(node) / "c.json").write_bytes(b"c")
    node.run("file copy !tmp_dir/*.txt !bkup_dir")
    bkup = node.home.base / "data" / "bkup"
    assert sorted(os.listdir(bkup)) == ["a1.txt", "b.txt"]
    node.run("file compress !tmp_dir/*.txt !bkup_dir/")
    assert sorted(os.listdir(bkup)) == ["a1.txt", "a1.txt.gz", "b.txt", "b.txt.gz"]
    node.run("file compress !tmp_dir/*")
    assert len(left(node)) == 6
    node.run("file move !tmp_dir/*.gz !bkup_dir")
    assert left(node) == ["a1.txt", "b.txt", "c.json"]
    with pytest.raises(FolderMissing, match="is no folder, and several files go there"):
        node.run("file copy !tmp_dir/*.txt !tmp_dir/new")
    with pytest.raises(FileMissing, match="no file matches"):
        node.run("file copy !tmp_dir/*.xml !bkup_dir")


def test_the_first_of_several_that_fails_ends_it_and_says_how_many_were_done(node):
    (tmp(node) / "a1.gz").write_bytes(b"no gzip")
    node.run("file compress !tmp_dir/a1.txt !tmp_dir/a0.gz")
    with pytest.raises(DecompressionFailed, match=r"\(1 of 2 files were done before\)"):
        node.run("file decompress !tmp_dir/*.gz")
    assert left(node) == ["a0", "a0.gz", "a1.gz", "a1.txt"]


def test_endings_that_are_not_there(node):
    node.run("file compress !tmp_dir/a1.txt !tmp_dir/packed")
    node.run("file decompress !tmp_dir/packed")
    node.run("file encode !tmp_dir/a1.txt !tmp_dir/coded")
    node.run("file decode !tmp_dir/coded")
    for name in ("packed.dat", "coded.dat"):
        assert (tmp(node) / name).read_bytes() == b"hello"


def test_file_to(node):
    node.run("file to !bkup_dir where source = !tmp_dir/a1.txt")
    node.run("file to !bkup_dir/other where source = !tmp_dir/a1.txt")
    assert sorted(os.listdir(node.home.base / "data" / "bkup")) == ["a1.txt", "other"]
    with pytest.raises(FileMissing):
        node.run("file to !tmp_dir/x.txt where source = !tmp_dir/absent9.txt")


def test_an_error_of_a_delete_is_ignored_when_told_so(node):
    assert node.run("file delete !tmp_dir/a9.txt ignore error").data == {"files": 0}
    assert node.run("file delete !tmp_dir ignore error").data == {"files": 0}
    assert tmp(node).is_dir()
    with pytest.raises(WrongValue, match="'ignore errors' is not allowed"):
        node.run("file delete !tmp_dir/a1.txt ignore errors")
    assert left(node) == ["a1.txt"]


def test_the_home_of_the_user(node, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    node.run("file copy !tmp_dir/a1.txt ~/b.txt")
    assert (tmp_path / "b.txt").read_bytes() == b"hello"


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("file copy !tmp_dir/a9.txt !tmp_dir/a8.txt", FileMissing),
        ("file copy !tmp_dir/a1.txt", CommandSyntaxError),
        ("file copy !tmp_dir/a1.txt !tmp_dir/b !tmp_dir/c", CommandSyntaxError),
        ("file copy !tmp_dir !tmp_dir/b", StorageError),
        ("file copy !tmp_dir/a1.txt !tmp_dir/no/b", FolderMissing),
        ("file delete !tmp_dir/a9.txt", FileMissing),
        ("file delete !tmp_dir", StorageError),
        ("file hash !nosuch", EdgeLakeError),
        ("file", UnknownCommand),
        ("file shred !tmp_dir/a1.txt", UnknownCommand),
        ("file get /x/one /x/two", CommandSyntaxError),
        ("get files", CommandSyntaxError),
        ("get files !tmp_dir/a1.txt", FolderMissing),
        ("get files !tmp_dir where format = xml", WrongValue),
        ("directory !tmp_dir", CommandSyntaxError),
        ("directory !tmp_dir get nothing", WrongValue),
        ("directory !tmp_dir get file repeat", CommandSyntaxError),
        ("directory !tmp_dir get file = 2", CommandSyntaxError),
        ("directory !tmp_dir get file repeat = 0", WrongValue),
        ("directory /no/such/dir get file", FolderMissing),
        ("get archived files 2026-02-30", WrongValue),
        ("get archived files today", WrongValue),
        ("delete archive where days = many", WrongValue),
        ("delete archive where days = 0", WrongValue),
        ("delete archive", EdgeLakeError),
        ("get script absent9", ScriptMissing),
        ("get script ../data/tmp/a1.txt", WrongValue),
        ('set script ../x "print 1"', WrongValue),
        ("set script x", CommandSyntaxError),
        ("set script x print hello", CommandSyntaxError),
        ("set script x !nosuch", EdgeLakeError),
        ('set script x " "', WrongValue),
    ],
)
def test_what_is_wrong_is_said_in_one_line(node, command, error):
    with pytest.raises(error) as caught:
        node.run(command)
    assert "\n" not in str(caught.value)
    assert left(node) == ["a1.txt"]


# ------------------------------------------------------------------ folders


def test_what_is_in_a_folder(node):
    os.utime(tmp(node) / "a1.txt", (1_772_352_000, 1_772_352_000))
    (tmp(node) / "inner").mkdir()
    (tmp(node) / "inner" / "b").write_bytes(b"123")
    assert node.run("get files !tmp_dir").text == (
        "\r\nFile   Bytes Modified\r\n------|-----|--------------------|\r\n"
        "a1.txt|    5|2026-03-01T08:00:00Z|\r\n"
    )
    found = node.run("get files !tmp_dir where format = json")
    assert json.loads(found.text) == found.data
    assert found.data == [{"name": "a1.txt", "bytes": 5, "modified": "2026-03-01T08:00:00Z"}]
    (inner,) = node.run("get directories !tmp_dir where format = json").data
    assert inner["name"] == "inner"
    assert node.run("get size !tmp_dir").data == {"bytes": 8, "files": 2}
    assert node.run("get access !tmp_dir").data["write"] is True
    assert node.run("get file timestamp !tmp_dir/a1.txt").text == "2026-03-01T08:00:00Z"
    assert node.run("get json file struct").text.startswith("[dbms name].[table name].")


def test_paths_of_a_folder(node):
    for name in "bcde":
        (tmp(node) / name).touch()
    lines = node.run("directory !tmp_dir get file").text.split("\n")
    assert lines == [f"{tmp(node)}/{name}" for name in ("a1.txt", "b", "c", "d", "e")]
    assert node.run("directory !tmp_dir get file repeat = 2").data == [lines[1], lines[3]]
    node.run("found = directory !tmp_dir get file repeat = 5")
    assert node.run("get !found").text == lines[4]


def test_the_archive(node):
    archive = node.home.base / "data" / "archive"
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=back) for back in (0, 59, 61, 400)]
    for day in days:
        folder = archive / f"{day:%y/%m/%d}"
        folder.mkdir(parents=True)
        (folder / "f.json").write_bytes(b"12345")
    (found,) = node.run(f"get archived files {days[2]} where format = json").data
    assert found["name"] == "f.json"
    assert node.run("get archived files 2026-03-01").text.startswith("No files were archived")
    done = node.run("delete archive where days = 60")
    assert done.data == {"files": 2, "bytes": 10}
    assert node.run(f"get archived files {days[2]}").data == []
    assert len(node.run(f"get archived files {days[1]}").data) == 1


# ------------------------------------------------------------------ scripts


def test_scripts_are_kept_and_shown(node):
    node.run('set script demo1 "print hello   there"')
    assert node.run("get script demo1").text == "print hello   there\n"
    assert (node.home.scripts_dir / "demo1.al").is_file()
    assert node.run("process !local_scripts/demo1.al").text == "hello there"
    node.run('set script demo1.al "print !later"')
    assert node.run("get script demo1").text == "print !later\n"
    node.run('later = "as it is now"')
    assert node.run("process !local_scripts/demo1.al").text == "as it is now"
    node.run('text = "print again"')
    node.run("set script demo1 !text")
    assert node.run("get script demo1").text == "print again\n"


def test_scripts_in_json(node):
    text = '{"config":[{"name":"part1","setting":{"v7":"seven"},"commands":["print !v7"]}]}'
    node.run("v7 = eight")
    node.run(f"set script demo2 {text}")
    assert json.loads(node.run("get script demo2").text) == json.loads(text)
    assert node.run("process !local_scripts/demo2.json").text == "seven"


def test_a_script_has_its_longest_text(node, monkeypatch):
    monkeypatch.setattr(limits, "MAX_SCRIPT_BYTES", 10)
    node.run('set script x "123456789"')
    assert node.run("get script x").text == "123456789\n"
    with pytest.raises(EdgeLakeError, match="exceeds 10 bytes"):
        node.run('set script x "1234567890"')
    assert node.run("get script x").text == "123456789\n"


def test_limits_of_the_archive_and_names(node):
    with pytest.raises(BadArgument):
        node.run("delete archive where days = 36501")
    with pytest.raises(StorageError, match="exceeds 4096 characters"):
        node.run("file hash " + "x" * 4097)
