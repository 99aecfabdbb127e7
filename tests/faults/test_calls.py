"""What nodes tell the system to do with their files, and in which order."""

from __future__ import annotations

import posixpath
import random
from pathlib import Path

import pytest

from tests.faults.injection import Call
from tests.faults.network import Network

pytestmark = pytest.mark.faults


def check_order(calls: list[Call]) -> None:
    """Check that a file is on the disk before it gets its name, and its folder thereafter."""
    contents: set[str] = set()
    names: set[str] = set()
    for call in calls:
        folder = posixpath.dirname(call.path) or "."
        if call.kind == "sync":
            contents.discard(call.path)
            names = {name for name in names if (posixpath.dirname(name) or ".") != call.path}
        elif call.kind == "rename":
            assert call.source not in contents, f"{call.path} is not on the disk"
            assert posixpath.dirname(call.source) == folder.replace(".", "")
            names.discard(call.source)
            names.add(call.path)
        elif call.kind == "unlink":
            names.discard(call.path)
        else:
            if call.kind in ("create", "write", "truncate"):
                contents.add(call.path)
            # The memory that processes share is made anew by who comes next.
            if call.path.partition("/")[0] == "log":
                continue  # what it tells may go with the power
            if call.kind in ("create", "mkdir") and not call.path.endswith("-shm"):
                names.add(call.path)
    assert names == set(), "a power cut would take these names away"


def test_11_what_a_follower_adopts_is_on_the_disk(start, library, tmp_path: Path) -> None:
    network = Network(start, library, tmp_path, random.Random(11))
    for member in network.members.values():
        assert network.up(member)
    for _ in range(8):
        network.change()
    network.converge()
    for member in network.members.values():
        # What ends by itself ends between two changes of its files.
        assert member.process.end_input() in (0, 1)
        calls = member.faults.calls()
        files = {call.path for call in calls if call.kind == "write"}
        assert any(path.startswith("blockchain/") for path in files)
        check_order(calls)
        made = [call.path for call in calls if call.kind == "mkdir"]
        assert {"blockchain", "data/dbms"} <= set(made)
        assert len(made) == len(set(made))
