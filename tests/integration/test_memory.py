"""What a node keeps of messages that are done with."""

from __future__ import annotations

import os
from pathlib import Path

from edgelake import Node
from tests.system.test_ending import tell
from tests.waiting import eventually

LARGE_BYTES = 24_000_000


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_long_messages_leave_nothing_behind(tmp_path: Path) -> None:
    with Node(tmp_path / "home") as node:
        node.run(
            "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"
        )
        address = node.run("get connections").data["TCP"]["bind"]

        def handled() -> int:
            return int(node.services()["tcp"].data["server"]["handled"])

        tell(address, b"first")
        eventually(lambda: handled() == 1, "the first message")
        before = resident_bytes()
        for number in range(3):
            tell(address, b"x" * LARGE_BYTES)
            eventually(lambda done=number + 2: handled() == done, "a long message")
        eventually(lambda: resident_bytes() < before + LARGE_BYTES // 2, "their memory")
