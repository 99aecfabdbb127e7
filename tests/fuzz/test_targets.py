"""The fuzz targets are built and run for a moment; `make fuzz` runs them for longer."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.fuzz.__main__ import TARGETS, build, run

RUNS = {"assembly": 60_000, "worker": 25_000}

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def _built() -> None:
    assert shutil.which("clang"), "Clang is missing: run tests/install-packages"
    build()


@pytest.mark.usefixtures("_built")
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found(target: str, tmp_path: Path) -> None:
    said = run(target, tmp_path, f"-runs={RUNS[target]}", "-seed=1")
    executed = re.search(r"number_of_executed_units: (\d+)", said)
    assert executed is not None
    assert int(executed[1]) >= RUNS[target]
    # A target that reached nothing would find nothing.
    covered = max(int(found) for found in re.findall(r" cov: (\d+) ", said))
    assert covered > {"assembly": 95, "worker": 800}[target]
