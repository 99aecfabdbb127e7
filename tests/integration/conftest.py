"""What tests of a node that is called by REST share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgelake import Node
from tests.http_calls import Caller, rest_node


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Node, Caller]]:
    """Have a node with a REST server, and somebody who calls it."""
    with rest_node(tmp_path / "home") as both:
        yield both


@pytest.fixture
def node(served: tuple[Node, Caller]) -> Node:
    """Have the node alone."""
    return served[0]


@pytest.fixture
def call(served: tuple[Node, Caller]) -> Caller:
    """Have the caller alone."""
    return served[1]
