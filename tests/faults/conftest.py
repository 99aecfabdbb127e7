"""What the tests of this folder share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.injection import build
from tests.system.conftest import start

__all__ = ["library", "start"]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes system calls fail."""
    return build(tmp_path_factory.mktemp("faults"))


def kills(usual: int) -> int:
    """Return how many kills are wanted: ``KILLS`` of the environment, or what is usual."""
    return int(os.environ.get("KILLS", usual))
