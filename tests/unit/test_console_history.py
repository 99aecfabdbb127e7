"""The file of the console's history."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edgelake import limits
from edgelake.console.history import CommandHistory


def opened(path: Path) -> CommandHistory:
    """Return a history that has read its file, as a console does."""

    async def load() -> None:
        _ = [entry async for entry in history.load()]

    history = CommandHistory(path, lambda text: text.replace("secret", "***"))
    asyncio.run(load())
    return history


def entries(path: Path) -> list[str]:
    return opened(path).get_strings()


def test_entries_last_and_are_private(tmp_path):
    path = tmp_path / "history"
    history = opened(path)
    history.append_string("get status")
    history.append_string("<run tcp server where\n  bind = true>")
    assert entries(path) == ["get status", "<run tcp server where\n  bind = true>"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_others_can_read_is_closed_to_them(tmp_path):
    path = tmp_path / "history"
    path.write_text("\n# then\n+get status\n")
    path.chmod(0o644)
    opened(path).append_string("get processes")
    assert entries(path) == ["get status", "get processes"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secrets_are_neither_kept_nor_offered(tmp_path):
    path = tmp_path / "history"
    history = opened(path)
    history.append_string("connect dbms x where password = secret")
    assert history.get_strings() == ["connect dbms x where password = ***"]
    assert "secret" not in path.read_text()


def test_repeated_empty_and_long_entries_are_left_out(tmp_path):
    path = tmp_path / "history"
    history = opened(path)
    longest = "x" * limits.MAX_HISTORY_ENTRY_CHARS
    for entry in ("a", "a", "  ", "b", "a", longest, longest + "x"):
        history.append_string(entry)
    assert entries(path) == ["a", "b", "a", longest]


def test_two_consoles_share_a_file(tmp_path):
    path = tmp_path / "history"
    one, other = opened(path), opened(path)
    one.append_string("from one")
    other.append_string("from the other")
    assert entries(path) == ["from one", "from the other"]
    assert one.get_strings() == ["from one"]


def test_the_file_is_bounded_and_keeps_the_newest(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_HISTORY_BYTES", 4000)
    path = tmp_path / "history"
    history = opened(path)
    for number in range(500):
        history.append_string(f"command {number}")
        assert path.stat().st_size <= 4000
    kept = entries(path)
    assert kept[-1] == "command 499"
    assert kept == [f"command {n}" for n in range(500 - len(kept), 500)]
    assert len(kept) > 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


_WRITER = """
import sys
from pathlib import Path
from edgelake import limits
from edgelake.console.history import CommandHistory
limits.MAX_HISTORY_BYTES = 6000
history = CommandHistory(Path(sys.argv[1]), str)
for number in range(100):
    history.append_string(f"{sys.argv[2]} {number}")
"""


def test_consoles_of_several_processes_lose_nothing_but_the_oldest(tmp_path):
    path = tmp_path / "history"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(path), name]) for name in ("a", "b")
    ]
    for writer in writers:
        assert writer.wait(60) == 0
    kept = entries(path)
    for name in ("a", "b"):
        numbers = [int(entry.split()[1]) for entry in kept if entry.startswith(name)]
        assert numbers == list(range(100 - len(numbers), 100))
    assert len(kept) > 50


def test_damaged_files_are_read_as_far_as_they_go(tmp_path):
    path = tmp_path / "history"
    path.write_bytes(b"\xff\xfe junk\n+get status\n+second line\n# x\n+last")
    assert entries(path) == ["get status\nsecond line", "last"]


@pytest.mark.parametrize("kind", ["folder", "link", "missing folder"])
def test_a_file_that_cannot_be_used_is_told_once(tmp_path, caplog, kind):
    path = tmp_path / "history"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        (tmp_path / "precious").write_text("kept")
        path.symlink_to(tmp_path / "precious")
    else:
        path = tmp_path / "nosuch" / "history"
    history = opened(path)
    history.append_string("get status")
    history.append_string("get processes")
    assert history.get_strings() == ["get status", "get processes"]
    assert caplog.text.count("the history is not kept") == 1
    if kind == "link":
        assert (tmp_path / "precious").read_text() == "kept"
