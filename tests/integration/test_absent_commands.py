"""What a peer is told that asks for a command which this version does not have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgelake import Node
from edgelake.commands import network_commands
from edgelake.errors import CommandNotAvailable, RemoteError


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node that listens."""
    with Node(tmp_path) as node:
        node.run(
            "run tcp server where external_ip = 127.0.0.1 and external_port = 0"
            " and bind = true and threads = 2"
        )
        yield node


def absent(node: Node, *, known_first_word: bool) -> str:
    """Return a command of the network that the node does not have."""
    first_words = node.registry.first_words()
    return next(
        name
        for name in network_commands()
        if node.registry.get(name) is None
        and (name.split()[0] in first_words) is known_first_word
        and not name.startswith("event")
    )


def test_the_reply_is_that_to_an_unknown_command(node: Node) -> None:
    address = node.run("get connections").data["TCP"]["external"]
    for known, code in ((True, 2), (False, 1)):
        name = absent(node, known_first_word=known)
        with pytest.raises(CommandNotAvailable, match=f"'{name}'"):
            node.run(name)
        with pytest.raises(RemoteError) as caught:
            node.run(f"run client ({address}) {name}")
        assert caught.value.remote_code == code
        if not known:
            assert f"Command '{name}' not recoginzed" in str(caught.value)
