"""The message server beside the bare epoll loop: one connection per message.

For comparing one version with an earlier one (``--benchmark-autosave``,
``--benchmark-compare``). The figures with latencies and ratios, in turns over
several rounds, are those of ``python -m bench``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.build import build
from bench.harness import (
    Load,
    RunningTarget,
    Target,
    edgelake_target,
    floor_target,
    run_load,
    running,
)

CLIENTS = (1, 16, 64)
MESSAGES = 2000
ROUNDS = 5
THREADS = 2

TARGETS: dict[str, Callable[[int], Target]] = {"floor": floor_target, "edgelake": edgelake_target}


@pytest.fixture(scope="module", params=TARGETS)
def server(request: pytest.FixtureRequest) -> Iterator[RunningTarget]:
    """Run a target for all of its loads."""
    with running(TARGETS[request.param](THREADS)) as target:
        yield target


@pytest.mark.parametrize("clients", CLIENTS)
def bench_connection_per_message(
    benchmark: BenchmarkFixture, server: RunningTarget, clients: int
) -> None:
    """Time 2,000 messages, the start of the generator included."""
    program = build()["load"]
    load = Load(clients=clients, messages=MESSAGES, seconds=30.0)
    benchmark.group = f"server.connection per message, {clients} clients"
    benchmark.extra_info["messages"] = MESSAGES
    result = benchmark.pedantic(  # type: ignore[no-untyped-call]
        run_load, (server.port, load, program), rounds=ROUNDS, warmup_rounds=1
    )
    assert (result.messages, result.errors) == (MESSAGES, 0)
    server.settle()
