"""Files are whole, old or new, whatever happens while they are written."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edgelake.errors import FileMissing, FileWriteFailed, StorageError
from edgelake.storage import read_file, remove_stale_temporaries, replace_file

OLD, NEW = b"old " * 5_000, b"new content " * 50_000


def temporaries(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if entry.name.endswith(".edgelake-tmp")]


def test_content_is_replaced_in_one_step(tmp_path):
    path = tmp_path / "f.json"
    replace_file(path, OLD)
    assert path.read_bytes() == OLD
    reader = path.open("rb")
    replace_file(path, NEW, mode=0o600)
    assert path.read_bytes() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with reader:
        assert reader.read() == OLD
    replace_file(path, b"")
    assert path.read_bytes() == b""
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert temporaries(tmp_path) == []


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "other").mkdir()
    target, link = tmp_path / "other" / "target", tmp_path / "link"
    target.write_bytes(OLD)
    link.symlink_to(target)
    replace_file(link, NEW)
    assert link.is_symlink()
    assert target.read_bytes() == NEW


def test_names_as_long_as_the_system_allows(tmp_path):
    path = tmp_path / ("é" * 127)
    replace_file(path, NEW)
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("call", ["open", "write", "fchmod", "fsync", "replace"])
def test_a_failure_keeps_the_old_content_and_leaves_nothing(tmp_path, monkeypatch, call):
    path = tmp_path / "f.json"
    replace_file(path, OLD)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(FileWriteFailed) as caught:
        replace_file(path, NEW)
    monkeypatch.undo()
    assert str(path) in str(caught.value)
    assert "no space left on device" in str(caught.value)
    assert path.read_bytes() == OLD
    assert temporaries(tmp_path) == []


def test_an_interrupted_write_is_continued(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data[:1000])))
    replace_file(tmp_path / "f", NEW)
    assert (tmp_path / "f").read_bytes() == NEW


def test_a_folder_that_cannot_be_synchronised_is_reported(tmp_path, monkeypatch):
    real = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(FileWriteFailed, match="folder was not synchronised"):
        replace_file(tmp_path / "f", NEW)
    assert (tmp_path / "f").read_bytes() == NEW


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileWriteFailed, match=r"nosuch/f.*no such file or directory"):
        replace_file(tmp_path / "nosuch" / "f", NEW)


def test_everything_is_on_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    calls: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *args, real=real, name=name: (calls.append(name), real(*args))[1]
        )
    replace_file(tmp_path / "f", NEW)
    assert calls == ["fsync", "replace", "fsync"]


# -------------------------------------------------------------- killed writers

_KILL_AT_CALL = """
import os, signal, sys
from edgelake.storage import replace_file
path, call, when = sys.argv[1:]
real = getattr(os, call)
def killed(*args, **kwargs):
    if when == "half":
        real(args[0], bytes(args[1][: len(args[1]) // 2]))
    if when == "after":
        real(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(os, call, killed)
replace_file(path, b"new content " * 50_000)
"""

_WRITE_FOR_EVER = """
import sys
from edgelake.storage import replace_file
number = 0
while True:
    number += 1
    replace_file(sys.argv[1], (f"{number} " * 20_000).encode())
    print(number, flush=True)
"""


@pytest.mark.parametrize(
    ("call", "when", "whole_new"),
    [
        ("write", "before", False),
        ("write", "half", False),
        ("write", "after", False),
        ("fsync", "before", False),
        ("fsync", "after", False),
        ("replace", "before", False),
        ("replace", "after", True),
    ],
)
def test_a_writer_killed_at_a_call_leaves_a_whole_file(tmp_path, call, when, whole_new):
    path = tmp_path / "f.json"
    replace_file(path, OLD)
    done = subprocess.run(
        [sys.executable, "-c", _KILL_AT_CALL, path, call, when], timeout=30, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == (NEW if whole_new else OLD)
    assert len(temporaries(tmp_path)) == (0 if whole_new else 1)
    assert remove_stale_temporaries(tmp_path) == (0 if whole_new else 1)
    assert os.listdir(tmp_path) == ["f.json"]


def test_writers_killed_at_random_moments_leave_whole_files(tmp_path):
    path = tmp_path / "f.json"
    rng = random.Random(20_261)
    for _ in range(15):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITE_FOR_EVER, path], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            written = 0
            for _ in range(rng.randrange(1, 20)):
                written = int(writer.stdout.readline())
            writer.kill()
        content = path.read_bytes()
        number = int(content.split(maxsplit=1)[0])
        assert content == f"{number} ".encode() * 20_000
        assert number >= written
    remove_stale_temporaries(tmp_path)
    assert os.listdir(tmp_path) == ["f.json"]


def test_a_writer_at_work_is_seen_as_living(tmp_path, monkeypatch):
    real = os.replace
    removed: list[int] = []

    def replace(source, target):
        removed.append(remove_stale_temporaries(tmp_path))
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    replace_file(tmp_path / "f", NEW)
    assert removed == [0]
    assert (tmp_path / "f").read_bytes() == NEW


def test_temporaries_of_living_writers_and_other_files_stay(tmp_path):
    living = tmp_path / ".f.json.0123456789abcdef.edgelake-tmp"
    stale = tmp_path / ".f.json.fedcba9876543210.edgelake-tmp"
    others = ["f.json", ".f.json.tmp", "x.0123456789abcdef.edgelake-tmp", ".x.edgelake-tmp"]
    for name in (living.name, stale.name, *others):
        (tmp_path / name).touch()
    with living.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert remove_stale_temporaries(tmp_path) == 1
    assert sorted(os.listdir(tmp_path)) == sorted([living.name, *others])
    assert remove_stale_temporaries(tmp_path / "nosuch") == 0


# --------------------------------------------------------------------- reading


def test_a_file_is_read_whole_or_not_at_all(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x" * 100)
    assert read_file(path, 100) == b"x" * 100
    with pytest.raises(StorageError, match="longer than 99 bytes"):
        read_file(path, 99)


def test_what_is_no_file_is_not_read(tmp_path):
    with pytest.raises(FileMissing, match="nosuch' does not exist"):
        read_file(tmp_path / "nosuch", 10)
    with pytest.raises(StorageError, match="is a directory"):
        read_file(tmp_path, 10)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError, match="is not a file"):
        read_file(tmp_path / "pipe", 10)
