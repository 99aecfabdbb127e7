"""Directories that commands write into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgelake.commands.directories import DirectoryType
from edgelake.errors import FolderMissing, FolderNotWritable, WrongValue


def test_a_directory(tmp_path: Path) -> None:
    assert DirectoryType().parse(f"{tmp_path}/") == tmp_path


@pytest.mark.parametrize("name", ["nosuch", "file", "link", "a" * 5000])
def test_what_is_no_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nosuch")
    with pytest.raises(FolderMissing) as caught:
        DirectoryType().parse(str(tmp_path / name))
    assert caught.value.code == 35


def test_a_directory_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The user of the tests may be the one who may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    with pytest.raises(FolderNotWritable) as caught:
        DirectoryType().parse(str(tmp_path))
    assert caught.value.code == 63


@pytest.mark.parametrize("text", ["", "a\0b"])
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(WrongValue):
        DirectoryType().parse(text)
