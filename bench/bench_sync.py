"""Polls of a master beside a plain Python loop that moves the same bytes.

The time of an unchanged poll is the processor time of the master: nothing is
answered, so that nothing else can be waited for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.child import cpu_seconds
from bench.master import POLICIES, Master, running_floor, running_master

POLLS = 300
UNCHANGED_ROUNDS = 5
CHANGED_ROUNDS = 10

_measured = {"pid": os.getpid()}


def processor_time() -> float:
    """Return the processor time of the master that is measured, in seconds."""
    return cpu_seconds(_measured["pid"])


@pytest.fixture(scope="module", params=POLICIES, ids=lambda count: f"{count:,}")
def master(request: pytest.FixtureRequest) -> Iterator[Master]:
    """Run a master of this size for all of its polls."""
    with running_master(request.param) as running:
        yield running


@pytest.fixture
def floor(master: Master) -> Iterator[Master]:
    """Run a floor that sends as much as the master."""
    with running_floor(len(master.poll_changed())) as running:
        yield running


def _group(request: pytest.FixtureRequest, kind: str) -> str:
    return f"sync.poll {kind}, {request.node.callspec.params['master']:,} policies"


def _unchanged(benchmark: BenchmarkFixture, master: Master, group: str) -> None:
    benchmark.group = group
    benchmark.extra_info["messages"] = POLLS
    _measured["pid"] = master.child.pid
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        master.poll_unchanged, (POLLS,), rounds=UNCHANGED_ROUNDS, warmup_rounds=1
    )


def _changed(benchmark: BenchmarkFixture, master: Master, group: str) -> None:
    benchmark.group = group
    benchmark.extra_info["bytes"] = len(master.poll_changed())
    benchmark.extra_info["messages"] = 1
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        master.poll_changed, setup=master.settle, rounds=CHANGED_ROUNDS, warmup_rounds=1
    )


@pytest.mark.benchmark(timer=processor_time)
def bench_floor_unchanged(
    benchmark: BenchmarkFixture, floor: Master, request: pytest.FixtureRequest
) -> None:
    """Accept, read a block and close, in plain Python."""
    _unchanged(benchmark, floor, _group(request, "unchanged"))


@pytest.mark.benchmark(timer=processor_time)
def bench_unchanged(
    benchmark: BenchmarkFixture, master: Master, request: pytest.FixtureRequest
) -> None:
    """Ask with the right hash: the master compares and is silent."""
    _unchanged(benchmark, master, _group(request, "unchanged"))


def bench_floor_changed(
    benchmark: BenchmarkFixture, floor: Master, request: pytest.FixtureRequest
) -> None:
    """Send as many bytes as the ledger has, made beforehand."""
    _changed(benchmark, floor, _group(request, "changed"))


def bench_changed(
    benchmark: BenchmarkFixture, master: Master, request: pytest.FixtureRequest
) -> None:
    """Ask without a hash and receive the whole ledger."""
    _changed(benchmark, master, _group(request, "changed"))
