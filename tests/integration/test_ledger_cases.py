"""The network's cases of ledger commands on our nodes; where we differ, it is said why.

A case of a command that is not there yet is counted as such, and moves by itself to the
others when the command is declared.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgelake.node
from edgelake import Node
from tests.integration.ledger_cases import (
    Case,
    Outcome,
    Trio,
    cases,
    compare_alone,
    prepare,
    run_alone,
    run_together,
)
from tests.integration.ledger_differences import DIFFERENCES

DOCUMENT = Path(__file__).parents[2] / "docs" / "ledger-cases.md"
ALONE = [case for case in cases() if case.alone]
TOGETHER = [case for case in cases() if not case.alone]
READING = ("blockchain get ", "blockchain read ", "get policies ")


def only_reads(case: Case) -> bool:
    """Tell whether a case leaves the ledger as it is, so that others can use the same node."""
    return case.command.startswith(READING) and set(case.expect) == {"output"}


@pytest.fixture(scope="module", autouse=True)
def one_registry() -> Iterator[None]:
    """Let all nodes have one registry of commands, as it takes a while to build."""
    with pytest.MonkeyPatch.context() as patch:
        made = functools.cache(edgelake.node.build_registry)
        patch.setattr(edgelake.node, "build_registry", made)
        yield


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[tuple[str, ...], tuple[Node, Outcome]]]:
    """Nodes that are set up for cases that only read, one for each set-up."""
    nodes: dict[tuple[str, ...], tuple[Node, Outcome]] = {}
    for case in ALONE:
        if only_reads(case) and case.setup not in nodes:
            node = Node(tmp_path_factory.mktemp("reading") / "home")
            outcome = Outcome()
            prepare(case, node, outcome)
            nodes[case.setup] = (node, outcome)
    yield nodes
    for node, _ in nodes.values():
        node.close()


@pytest.mark.parametrize("case", ALONE, ids=lambda case: case.name)
def test_a_case(case: Case, prepared, tmp_path: Path) -> None:
    if only_reads(case):
        node, before = prepared[case.setup]
        outcome = Outcome([], before.absent, before.failed)
        compare_alone(case, node, outcome)
    else:
        outcome = run_alone(case, tmp_path / "home")
    judge(case, outcome)


@pytest.mark.parametrize("case", TOGETHER, ids=lambda case: case.name)
def test_a_case_of_three_nodes(case: Case, tmp_path: Path) -> None:
    with Trio(tmp_path) as trio:
        outcome = run_together(case, trio)
    judge(case, outcome)


def judge(case: Case, outcome: Outcome) -> None:
    """Fail if a case differs and is not said to, or is said to and does not."""
    told = "\n".join([*outcome.failed, *outcome.differences])
    if outcome.absent and outcome.differences:
        pytest.skip(f"not built yet: {outcome.absent}")
    if case.name in DIFFERENCES:
        assert outcome.differences, "no longer differs: take it out of the table"
    else:
        assert not outcome.differences, told


def test_all_cases_are_there() -> None:
    names = {case.name for case in cases()}
    assert len(names) == len(ALONE) + len(TOGETHER) == 220
    assert names >= DIFFERENCES.keys()


def test_the_document_lists_the_differences() -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").split("\n")
    rows = [line for line in lines if line.startswith("| `")]
    expected = [
        f"| `{name}` | {finding or '–'} | {reason} |"
        for name, (finding, reason) in sorted(DIFFERENCES.items())
    ]
    assert rows == expected
