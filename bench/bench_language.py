"""Commands understood, each beside `str.split` of the same text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from edgelake.commands import SERVICE_KINDS, Interpreter, NodeParts, Origin, build_registry
from edgelake.commands.incoming import PeerMessages
from edgelake.interfaces import Permission, Result
from edgelake.language import Variables, from_wire, parse, read_remote, recall
from edgelake.ledger import LocalLedger
from edgelake.services.base import ServiceRegistry
from edgelake.storage import Databases, Home, LedgerFile
from edgelake.wire import Assembler, Endpoint, encode_message

REGISTRY = build_registry()
PEERS = Variables({}, {}).for_peers()
POLICY_BYTES = 100 * 1024
TEXTS = 64  # so that no text comes twice in a row

TEMPLATES = {
    "get status": "get status",
    "set": "set a = {n}",
    "6 options": (
        "run tcp server where external_ip = 198.51.100.{n} and external_port = 32{n}"
        " and internal_ip = 10.0.0.{n} and internal_port = 32{n} and bind = false and threads = 6"
    ),
    "insert": (
        'blockchain insert where policy = {{"device": {{"name": "d{n}"}}}}'
        " and local = true and master = 198.51.100.{n}:32048"
    ),
}
LONG = "blockchain push " + '{"device": {"rows": [' + '"0123456789 {[", ' * (POLICY_BYTES // 17)
LONG += '"end"]}}'

COLD = {f"language.cold {name}": template for name, template in TEMPLATES.items()}
WARM = {f"language.warm {name}": template for name, template in TEMPLATES.items()}
COLD_LONG = "language.cold 100 KB policy"
REMOTE = "language.remote set"
MESSAGE = "language.message set"


def _texts(template: str) -> list[str]:
    return [template.format(n=n) for n in range(TEXTS)]


GROUPS = {
    **{group: _texts(template) for group, template in {**COLD, **WARM}.items()},
    COLD_LONG: [LONG],
    REMOTE: _texts(TEMPLATES["set"]),
    MESSAGE: _texts(TEMPLATES["set"]),
}


def _run(benchmark: BenchmarkFixture, group: str, act: Callable[[Any], Any], given: Any) -> None:
    """Measure an action on all texts of a group; one call takes them all."""
    benchmark.group = group
    benchmark.extra_info["bytes"] = sum(len(text.encode()) for text in GROUPS[group])
    benchmark.extra_info["commands"] = len(GROUPS[group])

    def act_on_all() -> None:
        for one in given:
            act(one)

    benchmark(act_on_all)


@pytest.fixture
def node() -> Iterator[NodeParts]:
    """Return the parts of a node that listens to nobody."""
    with TemporaryDirectory() as folder:
        home = Home(Path(folder))
        yield NodeParts(
            home=home,
            variables=Variables({}, {}),
            services=ServiceRegistry(*SERVICE_KINDS),
            databases=Databases(home.databases_dir),
            ledger=LocalLedger(LedgerFile(home.ledger_file)),
            permission=Permission.ADMIN,
        )


@pytest.mark.parametrize("group", GROUPS)
def bench_floor(benchmark: BenchmarkFixture, group: str) -> None:
    """Split the texts at their blanks, which is less than any parser does."""
    _run(benchmark, group, str.split, GROUPS[group])


@pytest.mark.parametrize("group", [*COLD, COLD_LONG])
def bench_cold(benchmark: BenchmarkFixture, group: str) -> None:
    """Parse texts as if each were the first of its shape."""
    _run(benchmark, group, lambda text: parse(text, REGISTRY), GROUPS[group])


@pytest.mark.parametrize("group", WARM)
def bench_warm(benchmark: BenchmarkFixture, group: str) -> None:
    """Make calls with typed values from texts whose shape is known."""
    texts = GROUPS[group]
    read_remote(texts[0], REGISTRY, PEERS)
    assert recall(texts[-1], REGISTRY, PEERS) is not None
    _run(benchmark, group, lambda text: recall(text, REGISTRY, PEERS), texts)


def bench_remote(benchmark: BenchmarkFixture, node: NodeParts) -> None:
    """Run the commands that peers sent, from the text on the wire to the end of the handler."""
    interpreter = Interpreter(REGISTRY, node)
    origin = Origin(Endpoint("127.0.0.1", 32048), "127.0.0.1")

    def emit(result: Result) -> None:
        pass

    def act(text: str) -> None:
        interpreter.execute_remote(from_wire(text), origin, emit)

    _run(benchmark, REMOTE, act, GROUPS[REMOTE])
    assert node.variables.get("a") == str(TEXTS - 1)


def bench_message(benchmark: BenchmarkFixture, node: NodeParts) -> None:
    """Act on whole messages of a peer, as a dispatcher thread does."""
    messages = [
        Assembler().feed(
            encode_message(text.encode(), info_type=6, source_ip=b"127.0.0.1", source_port=32048)
        )[0]
        for text in GROUPS[MESSAGE]
    ]
    _run(benchmark, MESSAGE, PeerMessages(node, Interpreter(REGISTRY, node)), messages)
    assert node.variables.get("a") == str(TEXTS - 1)
