"""The part of the ledger: what it finds in a tiny setting, its goals, plots and page."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import performance
from bench.child import running_child
from bench.crowd import running_crowd
from bench.goals import check_goals
from bench.ledger.asking import NOWHERE, heading, place_now, question
from bench.ledger.goals import LEDGER_GOALS
from bench.ledger.page import write_ledger_page
from bench.ledger.part import LedgerPart
from bench.ledger.plots import LEDGER_PLOTS
from bench.ledger.tables import TABLES
from bench.master import running_master
from bench.part import Settings
from bench.policies import POLICY_BYTES, policy_id, policy_line
from bench.queries import QUERIES

TINY = Settings(quick=True, rounds=1, seconds=0.05, threads=1)


# -------------------------------------------------------------------- parts


def test_all_of_it_in_a_tiny_setting() -> None:
    part = LedgerPart(sizes=(7, 30), crowd=5, followers=(1, 4), at_once=2)
    steps: list[str] = []
    found = part.run(TINY, steps.append)
    assert found["failed"] == []
    assert len(steps) == part.steps(TINY)
    assert [one["policies"] for one in found["sizes"]] == [7, 30]
    for one in found["sizes"]:
        polls = one["polls"]
        assert 0 < polls["asked_bytes"] < 200
        assert 0 < polls["answered_bytes"] < 200
        assert all(polls[f"{name}_us"] > 0 for name in ("session", "crowd", "connection"))
        assert [row["followers"] for row in one["changes"]] == [1, 4]
        alone, four = one["changes"]
        assert alone["received_bytes"] is None
        assert POLICY_BYTES < four["received_bytes"] < 3 * POLICY_BYTES
        assert 0 < four["p50_ms"] <= four["p99_ms"] <= four["max_ms"]
        assert one["first_sync"]["file_bytes"] == one["policies"] * (POLICY_BYTES + 1)
        assert one["at_once"]["answer_bytes"] > one["first_sync"]["file_bytes"]
        assert [row["query"] for row in one["queries"]] == list(QUERIES)
        assert all(0 < row["median_us"] <= row["p99_us"] for row in one["queries"])
        assert one["inserts"]["rate"] > 0
        assert one["inserts"]["floor_rate"] > 0
    json.dumps(found)
    console = Console(file=io.StringIO(), width=160)
    part.show(console, found)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert all(table.title in text for table in TABLES)


def test_a_size_that_fails_is_named_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measure(_self: object, size: int, *_rest: object) -> None:
        if size == 2:
            raise RuntimeError("out of luck")

    monkeypatch.setattr(LedgerPart, "_measure", measure)
    found = LedgerPart(sizes=(1, 2, 3)).run(TINY, lambda _line: None)
    assert found["failed"] == ["2 policies: out of luck"]
    assert [one["policies"] for one in found["sizes"]] == [1, 2, 3]


def test_policies_have_their_size_and_their_id() -> None:
    for number in (0, 7, 99_999, 3_000_000):
        line = policy_line(number)
        assert len(line) == POLICY_BYTES
        assert json.loads(line)["device"]["id"] == policy_id(number)


# ------------------------------------------------------------------- crowds


def test_a_crowd_asks_and_is_told() -> None:
    with running_master(3) as master, running_crowd(master.child.port, 60) as crowd:
        place = place_now(crowd, "0")
        assert place.seq == 3
        writer, *others = crowd.members
        answers = crowd.ask_all(question(place, "0"), others)
        assert {heading(one)["kind"] for one in answers.values()} == {"none"}
        told = set()
        writer.ask(f"blockchain push confirm {policy_line(50)}")
        crowd.receive(
            lambda member, arrival: told.add((member.source, arrival.text)),
            lambda: len(told) == len(crowd.members) + 1,
        )
        notice = f"event ledger_changed {place.epoch} 4".encode()
        assert {source for source, text in told if text == notice} == {
            member.source for member in crowd.members
        }
        (whole,) = crowd.ask_all(question(NOWHERE, "0"), crowd.members[5:6]).values()
        assert heading(whole)["count"] == 4
        assert whole.text_bytes > 4 * POLICY_BYTES


def ask_a_master_that_is_killed() -> None:
    with running_master(1) as master, running_crowd(master.child.port, 2) as crowd:
        crowd.ask_all("get node name")
        master.child.process.kill()
        while True:
            crowd.ask_all("get node name", deadline_s=20.0)


def test_a_crowd_whose_master_ends_is_told_so() -> None:
    with pytest.raises((RuntimeError, OSError), match=r"ended a session|reset|pipe"):
        ask_a_master_that_is_killed()


def test_answers_to_another_question_are_no_news() -> None:
    with running_master(1) as master, running_crowd(master.child.port, 1) as crowd:
        (answer,) = crowd.ask_all("get node name").values()
        with pytest.raises(RuntimeError, match="the master answered"):
            heading(answer)


def test_a_node_that_follows_tells_what_it_took(tmp_path: Path) -> None:
    with (
        running_master(20) as master,
        running_child("bench.follower_node", "--home", str(tmp_path)) as node,
    ):
        found = node.ask(f"follow {master.child.port} 20")
        assert found["seconds"] > 0
        assert found["peak_bytes"] >= found["idle_bytes"] > 0
        assert Path(node.ready["ledger"]).read_text().count("\n") == 20
        with running_crowd(master.child.port, 1) as crowd:
            crowd.ask_all(f"blockchain push confirm {policy_line(77)}")
        assert node.ask(f"await {policy_id(77)}")["at_s"] > 0


# -------------------------------------------------------- goals, plots, page


def made_up() -> dict[str, Any]:
    def one(policies: int) -> dict[str, Any]:
        polls = {f"{name}_us": 80.0 for name in ("session", "crowd", "connection")}
        polls |= {f"{name}_ratio": 8.0 for name in ("session", "crowd", "connection")}
        return {
            "policies": policies,
            "polls": {
                **polls,
                "exchange_floor_us": 10.0,
                "asked_bytes": 136,
                "answered_bytes": 150,
                "connection_asked_bytes": 95,
            },
            "changes": [
                {
                    "followers": followers,
                    "stored_ms": 1.0,
                    "node_ms": 2.0,
                    "p50_ms": 2.0,
                    "p99_ms": 0.04 * followers + 3.0,
                    "max_ms": 50.0,
                    "cpu_ms": 5.0,
                    "received_bytes": 590 if followers > 1 else None,
                }
                for followers in (1, 50, 1000)
            ],
            "first_sync": {
                "seconds": policies / 120_000,
                "per_second": 120_000.0,
                "file_bytes": 311 * policies,
                "peak_above_idle_bytes": 1244 * policies,
                "peak_ratio": 4.0,
                "queried_ratio": 6.0,
            },
            "at_once": {
                "followers": 20,
                "seconds": 1.0,
                "refused": 3,
                "cpu_s": 2.0,
                "peak_above_idle_bytes": 10_000_000,
                "answer_bytes": 311 * policies,
            },
            "queries": [
                {"query": name, "first_us": 9e3, "median_us": policies / 11, "p99_us": policies}
                for name in QUERIES
            ],
            "inserts": {
                "rate": 2000.0,
                "p50_ms": 5.0,
                "p99_ms": 9.0,
                "one_rate": 900.0,
                "one_ms": 1.0,
                "one_p99_ms": 2.0,
                "floor_rate": 4000.0,
                "floor_batch_rate": 20_000.0,
                "ratio": 0.5,
                "batch_ratio": 0.1,
                "one_ratio": 0.22,
            },
        }

    return {
        "machine": {"processor": "made up", "cores": 2, "load_average": [0.5]},
        "command": "python -m bench --only ledger",
        "ledger": {"sizes": [one(n) for n in (100, 1000, 10_000, 100_000)], "failed": []},
    }


def test_goals_are_met_missed_or_not_measured() -> None:
    goals = check_goals(made_up(), LEDGER_GOALS)
    met = {(goal["load"], goal["figure"]): goal["met"] for goal in goals}
    assert met["one change to 50 followers, any size", "p99 of its way"] is True
    assert met["first ledger, 100,000 policies", "rate"] is True
    assert met["first ledger, 100,000 policies", "memory of the node, of the file's size"] is False
    assert sum(value is False for value in met.values()) == 1
    assert None not in met.values()
    slow = made_up()
    slow["ledger"]["sizes"][3]["changes"][1]["p99_ms"] = 51.0
    slow["ledger"]["sizes"][0]["inserts"]["rate"] = 999.0
    goals = check_goals(slow, LEDGER_GOALS)
    assert sum(goal["met"] is False for goal in goals) == 3


@pytest.mark.parametrize("results", [{}, {"ledger": None}, {"ledger": {"failed": ["all"]}}])
def test_without_figures_no_goal_is_met_or_missed(results: dict[str, Any], tmp_path: Path) -> None:
    assert {goal["met"] for goal in check_goals(results, LEDGER_GOALS)} == {None}
    assert write_ledger_page(results, tmp_path) is None


def test_a_ledger_of_one_size_says_nothing_about_growth() -> None:
    results = made_up()
    del results["ledger"]["sizes"][1:]
    goals = check_goals(results, LEDGER_GOALS)
    (growth,) = (goal for goal in goals if "largest" in goal["figure"])
    assert growth["met"] is None


def test_the_page_has_goals_tables_plots_and_what_failed(tmp_path: Path) -> None:
    results = made_up()
    results["ledger"]["sizes"].append({"policies": 1_000_000})
    results["ledger"]["failed"] = ["1,000,000 policies: out of luck"]
    source = tmp_path / "results.json"
    source.write_text(json.dumps(results))
    arguments = [f"--from={source}", f"--docs={tmp_path}", "--only=ledger"]
    assert performance.main(arguments) == 0
    assert not (tmp_path / "performance.md").exists()
    page = (tmp_path / "performance-ledger.md").read_text()
    assert "| processor | made up |" in page
    assert "* not measured: 1,000,000 policies: out of luck" in page
    for one in TABLES:
        assert f"## {one.title}" in page
    for name in LEDGER_PLOTS:
        png, svg = (tmp_path / "performance" / f"{name}.{kind}" for kind in ("png", "svg"))
        assert png.read_bytes().startswith(b"\x89PNG")
        assert "<svg" in svg.read_text()
        assert f"performance/{name}.svg" in page
    for _, target in re.findall(r"(!?\[[^]]*\])\((performance/[^)]*)\)", page):
        assert (tmp_path / target).is_file()
    assert str(tmp_path) not in page


def test_both_pages_come_from_a_whole_run(tmp_path: Path) -> None:
    source = tmp_path / "results.json"
    source.write_text(json.dumps(made_up()))
    assert performance.main([f"--from={source}", f"--docs={tmp_path}"]) == 0
    assert "(performance-ledger.md)" in (tmp_path / "performance.md").read_text()
    assert (tmp_path / "performance-ledger.md").exists()
