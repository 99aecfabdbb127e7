"""What folders hold is listed and counted within bounds; the archive loses old days only."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from edgelake import limits
from edgelake.errors import (
    EdgeLakeError,
    FileMissing,
    FileNotPermitted,
    FolderMissing,
    StorageError,
)
from edgelake.storage import (
    Reach,
    access_of,
    archived_files,
    delete_archived,
    folder_size,
    list_files,
    list_folders,
    modified_s,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with files, folders, links, a pipe and a file that is being written."""
    root = tmp_path / "tree"
    (root / "inner" / "deep").mkdir(parents=True)
    (root / "b.json").write_bytes(b"12345")
    (root / "a größe").write_bytes(b"1")
    (root / "inner" / "c").write_bytes(b"123")
    (root / "inner" / "deep" / "d").write_bytes(b"1234567")
    (root / "link").symlink_to("/etc")
    (root / "flink").symlink_to("b.json")
    os.mkfifo(root / "pipe")
    (root / ".b.json.0123456789abcdef.edgelake-tmp").write_bytes(b"half")
    return root


def test_files_and_folders(tree):
    os.utime(tree / "b.json", (1_000_000, 1_000_000))
    found = list_files(str(tree))
    assert [(entry.name, entry.size) for entry in found] == [("a größe", 1), ("b.json", 5)]
    assert found[1].modified == 1_000_000
    assert [entry.name for entry in list_folders(str(tree))] == ["inner"]


def test_a_name_that_is_no_text_is_shown(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff\xfe", "wb"):
        pass
    (found,) = list_files(str(tmp_path))
    assert found.name == "\\xff\\xfe"
    found.name.encode()


def test_the_size_of_all_below_without_links(tree):
    # The file that is being written takes room too.
    assert folder_size(str(tree)) == (5 + 1 + 3 + 7 + 4, 5)


def test_how_many_names_and_how_deep(tree, monkeypatch):
    monkeypatch.setattr(limits, "MAX_COUNTED_FILES", 10)
    assert folder_size(str(tree))[1] == 5
    monkeypatch.setattr(limits, "MAX_COUNTED_FILES", 9)
    with pytest.raises(StorageError, match="more than 9 names"):
        folder_size(str(tree))
    monkeypatch.undo()
    monkeypatch.setattr(limits, "MAX_FOLDER_DEPTH", 3)
    assert folder_size(str(tree))[1] == 5
    monkeypatch.setattr(limits, "MAX_FOLDER_DEPTH", 2)
    with pytest.raises(StorageError, match="more than 2 deep"):
        folder_size(str(tree))


@pytest.mark.parametrize("call", [list_files, list_folders, folder_size])
def test_what_is_no_folder(tree, call):
    for path in ("none", "b.json", "pipe", "b.json/x"):
        with pytest.raises(FolderMissing, match=f"{path}' does not exist"):
            call(f"{tree}/{path}")


@pytest.mark.parametrize("call", [list_files, list_folders, folder_size, access_of, modified_s])
def test_peers_see_their_folders_only(tree, call):
    reach = Reach([tree / "inner"], [])
    call(f"{tree}/inner", reach)
    call(f"{tree}/inner/deep", reach)
    for path in (tree, tree / "link", f"{tree}/inner/..", "/etc", "inner"):
        with pytest.raises(FileNotPermitted):
            call(str(path), reach)
    (tree / "inner" / "out").symlink_to(tree)
    for path in ("out", "out/inner"):
        with pytest.raises(EdgeLakeError):
            call(f"{tree}/inner/{path}", reach)


def test_access_and_time(tree):
    os.utime(tree / "b.json", (5, 7))
    (tree / "b.json").chmod(0o600)
    found = access_of(f"{tree}/b.json")
    assert (found.read, found.write, found.execute) == (True, True, False)
    assert access_of(str(tree)).execute
    assert modified_s(f"{tree}/b.json") == 7
    assert modified_s(str(tree)) > 7
    for call in (access_of, modified_s):
        with pytest.raises(FileMissing):
            call(f"{tree}/none")


# ------------------------------------------------------------------ archive


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive of three days, with things that are none of it."""
    root = tmp_path / "archive"
    for day in ("26/02/27", "26/02/28", "26/03/01", "26/13/01", "26/02/30", "2026/01/01"):
        (root / day).mkdir(parents=True)
        (root / day / "f.json").write_bytes(b"12345")
    (root / "26" / "02" / "27" / "kept").mkdir()
    (root / "notes.txt").touch()
    return root


def paths(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def test_files_of_a_day(archive):
    assert [f.name for f in archived_files(str(archive), date(2026, 2, 28))] == ["f.json"]
    assert archived_files(str(archive), date(2026, 4, 1)) == []
    with pytest.raises(FolderMissing):
        archived_files(f"{archive}/none", date(2026, 4, 1))


def test_days_before_one_are_deleted_and_nothing_else(archive):
    assert delete_archived(str(archive), date(2026, 2, 28)) == (5, 1)
    assert "26/02/27/f.json" not in paths(archive)
    assert len(paths(archive)) == 6
    assert delete_archived(str(archive), date(2026, 3, 1)) == (5, 1)
    assert not (archive / "26" / "02" / "28").exists()
    assert (archive / "26" / "02" / "27" / "kept").is_dir()
    assert delete_archived(str(archive), date(2030, 1, 1)) == (5, 1)
    assert paths(archive) == [
        "2026/01/01/f.json",
        "26/02/30/f.json",
        "26/13/01/f.json",
        "notes.txt",
    ]
    assert delete_archived(str(archive), date(2030, 1, 1)) == (0, 0)


def test_folders_that_become_empty_go(tmp_path):
    (tmp_path / "26" / "02" / "27").mkdir(parents=True)
    (tmp_path / "26" / "02" / "27" / "f").touch()
    assert delete_archived(str(tmp_path), date(2026, 3, 1)) == (0, 1)
    assert os.listdir(tmp_path) == []


def test_links_in_the_archive_lead_nowhere(archive, tmp_path):
    other = tmp_path / "other"
    (other / "01" / "01").mkdir(parents=True)
    (other / "01" / "01" / "f").touch()
    (archive / "20").symlink_to(other)
    (archive / "26" / "02" / "28" / "link").symlink_to(other / "01" / "01" / "f")
    delete_archived(str(archive), date(2026, 3, 1))
    assert (other / "01" / "01" / "f").exists()
    assert (archive / "26" / "02" / "28" / "link").is_symlink()
