"""What the tests of this folder share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.injection import build
from tests.system.conftest import NodeProcess, start

__all__ = ["kills", "library", "start", "start_all"]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes system calls fail."""
    return build(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def start_all(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Callable[..., NodeProcess], Path]]:
    """Start processes for all tests of a file, and say where their homes are."""
    work = tmp_path_factory.mktemp("nodes")
    running: list[NodeProcess] = []

    def run(name: str, *arguments: str, **options: Any) -> NodeProcess:
        running.append(NodeProcess(work / name, *arguments, **options))
        return running[-1]

    yield run, work
    for node in running:
        node.__exit__()


def kills(usual: int) -> int:
    """Return how many kills are wanted: ``KILLS`` of the environment, or what is usual."""
    return int(os.environ.get("KILLS", usual))
