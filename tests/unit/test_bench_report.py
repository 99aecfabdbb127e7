"""Goals, tables and the page with its plots, from results that were made up."""

from __future__ import annotations

import builtins
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import __main__ as runner
from bench import performance, report
from bench.compare import Comparison
from bench.figures import Figures
from bench.goals import GOALS, check_goals
from bench.ledger.goals import LEDGER_GOALS
from bench.load import Hold, Load, LoadResult
from bench.part import Settings
from bench.plots import PLOTS, draw_plots
from bench.progress import show_progress
from bench.rest.goals import REST_GOALS
from bench.tables import new_table

MOST_BYTES = 150_000


def result(rate: float, latency_us: float) -> LoadResult:
    percentiles = [(0, 0.5), (50, 1.0), (90, 2.0), (99, 4.0), (99.9, 8.0), (100, 9.0)]
    return LoadResult(
        messages=int(rate),
        seconds=1.0,
        rate=rate,
        errors=0,
        first_error=None,
        p50_us=latency_us,
        p99_us=4 * latency_us,
        p999_us=8 * latency_us,
        max_us=9 * latency_us,
        percentiles=[(part, factor * latency_us) for part, factor in percentiles],
        cpu_us=30.0,
    )


def scenario(title: str, loads: list[Load], targets: dict[str, float]) -> dict[str, Any]:
    """Two rounds of each: at the given rates, and at twice of them."""
    comparisons = []
    for load in loads:
        rounds = {
            name: [result(rate, 1e6 / rate), result(2 * rate, 0.5e6 / rate)]
            for name, rate in targets.items()
        }
        comparisons.append(Comparison(load, rounds).as_json())
    missing = {"reference node": "REFERENCE_NODE is not set"}
    return {"title": title, "missing": missing, "failed": {}, "comparisons": comparisons}


def made_up() -> dict[str, Any]:
    targets = {"floor": 30_000.0, "drop": 28_000.0, "language": 24_000.0}
    held = [Load(16), Load(16, hold=Hold("stalled", 500))]
    scenarios = {
        "connection": scenario("one connection each", [Load(n) for n in (1, 16, 64, 256)], targets),
        "rate": scenario("a fixed rate", [Load(64, rate=5_000.0)], targets),
        "held": scenario("beside others", held, targets),
    }
    results = {
        "machine": {"processor": "made up", "cores": 2, "commit": "0000000", "load_average": [0.5]},
        "command": "python -m bench",
        "server": {"scenarios": scenarios, "failed": []},
        "micro": {
            "groups": [
                {
                    "group": "language.warm set",
                    "name": "warm",
                    "median_s": 64 * 5e-6,
                    "ratio": None,
                    "extra": {"commands": 64},
                },
                {
                    "group": "language.warm set",
                    "name": "floor",
                    "median_s": 64 * 1e-4,
                    "ratio": None,
                    "extra": {"commands": 64},
                },
            ]
        },
        "costs": {
            "start_up": [{"name": "edgelake to the prompt", "median_s": 0.15, "ratio": 9.5}],
            "idle_memory": {"resident_bytes": 31_000_000},
            "connections": [
                {
                    "connections": number,
                    "resident_bytes": 28_000_000 + 600 * number,
                    "per_connection_bytes": 600.0,
                    "used_resident_bytes": 28_000_000 + 700 * number,
                    "used_per_connection_bytes": 700.0,
                }
                for number in (0, 1000, 9000)
            ],
            "soak": {
                "messages": 10_000_000,
                "resident_before": 30_000_000,
                "resident_after": 30_500_000,
                "descriptors_before": 12,
                "descriptors_after": 12,
            },
        },
    }
    found: dict[str, Any] = json.loads(json.dumps(results))
    return found


def test_ratios_are_taken_within_a_round() -> None:
    figures = Figures(made_up())
    assert figures.ratio("connection", "16 clients", "drop", "rate") == pytest.approx(28 / 30)
    assert figures.ratio("connection", "16 clients", "language", "p999_us") == pytest.approx(1.25)
    assert figures.between("held", "16 clients, 500 stalled", "16 clients", "drop", "rate") == 1.0
    assert figures.value("connection", "1 client", "drop", "rate") == 42_000
    assert figures.ratio("connection", "16 clients", "nobody", "rate") is None
    assert figures.ratio("nothing", "16 clients", "drop", "rate") is None


def test_goals_are_met_missed_or_not_measured() -> None:
    goals = check_goals(made_up())
    assert len(goals) == len(GOALS)
    met = {(goal["load"], goal["figure"]): goal["met"] for goal in goals}
    assert met["idle connections", "memory for each"] is True
    assert met["10 million messages", "descriptors left open"] is True
    (warm,) = (goal for goal in goals if goal["load"].startswith("warm command parse"))
    assert (warm["value"], warm["met"]) == (pytest.approx(200_000), True)
    assert met["kept streams, validated natively", "rate, of the C floor"] is None
    results = made_up()
    results["costs"]["idle_memory"]["resident_bytes"] = 60_000_000
    met = {(goal["load"], goal["figure"]): goal["met"] for goal in check_goals(results)}
    assert met["idle node", "resident memory"] is False
    json.dumps(goals)


def test_without_any_result_no_goal_is_met_or_missed() -> None:
    assert {goal["met"] for goal in check_goals({})} == {None}


def test_a_short_soak_proves_nothing() -> None:
    results = made_up()
    results["costs"]["soak"]["messages"] = 300_000
    soaked = [goal for goal in check_goals(results) if goal["load"] == "10 million messages"]
    assert [goal["met"] for goal in soaked] == [None, None]


def test_plots_are_written_twice_and_small(tmp_path: Path) -> None:
    assert draw_plots(made_up(), tmp_path) == list(PLOTS)
    for name in PLOTS:
        png, svg = tmp_path / f"{name}.png", tmp_path / f"{name}.svg"
        assert png.read_bytes().startswith(b"\x89PNG")
        assert "<svg" in svg.read_text()
        assert 1_000 < png.stat().st_size < MOST_BYTES
        assert 1_000 < svg.stat().st_size < MOST_BYTES


def test_only_what_was_measured_is_drawn(tmp_path: Path) -> None:
    results = made_up()
    results["costs"] = None
    assert draw_plots(results, tmp_path) == ["throughput", "latency"]
    assert not (tmp_path / "memory.svg").exists()


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(RuntimeError, match=r"pip install 'edgelake\[bench\]'"):
        draw_plots(made_up(), tmp_path)


def test_the_page_has_machine_goals_tables_and_plots(tmp_path: Path) -> None:
    source = tmp_path / "results.json"
    source.write_text(json.dumps(made_up()))
    assert performance.main([f"--from={source}", f"--docs={tmp_path}"]) == 0
    page = (tmp_path / "performance.md").read_text()
    assert "| processor | made up |" in page
    assert "| command | `python -m bench` |" in page
    assert "| idle node | resident memory | 31 MB | ≤ 45 MB | yes |" in page
    assert "| 16 clients | edgelake, dropped natively | 42,000 (0.93) |" in page
    assert "* reference node: not available: REFERENCE_NODE is not set" in page
    assert str(tmp_path) not in page
    for _, target in re.findall(r"(!?\[[^]]*\])\((performance/[^)]*)\)", page):
        assert (tmp_path / target).is_file()
    for name in PLOTS:
        assert f"performance/{name}.svg" in page


def test_a_page_of_one_part_alone(tmp_path: Path) -> None:
    results = {key: made_up()[key] for key in ("machine", "command", "costs")}
    page = performance.write_report(results, tmp_path).read_text()
    assert "Start-up and memory" in page
    assert "Single calls" not in page


def text_console(width: int = 150) -> Console:
    return Console(file=io.StringIO(), width=width)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_tables_show_medians_ratios_and_notes() -> None:
    console = text_console()
    found = made_up()["server"]["scenarios"]["connection"]
    found["comparisons"][0]["targets"]["drop"]["median"]["settle_s"] = 3.0
    found["comparisons"][0]["targets"]["drop"]["errors"] = 0
    report.show_scenario(console, found)
    report.show_goals(console, check_goals(made_up()))
    text = shown(console)
    assert "42,000 (0.93)" in text
    assert "reference node: not available: REFERENCE_NODE is not set" in text
    assert "1 client, drop: went on for 3000 ms after the load had ended" in text
    assert "≤ 45 MB" in text


class Stub:
    """A part that was written for these tests."""

    name = "stub"

    def run(self, settings: Settings, progress: Any) -> dict[str, Any]:
        progress(f"threads {settings.threads}, rounds {settings.rounds}")
        return {"figure": 1, "failed": ["one of two things"]}

    def show(self, console: Console, found: dict[str, Any]) -> None:
        table = new_table("stub", ["what"], ["figure"])
        table.add_row("figure", str(found["figure"]))
        console.print(table)


class Broken(Stub):
    name = "broken"

    def run(self, settings: Settings, progress: Any) -> dict[str, Any]:
        raise RuntimeError("out of luck")


def test_parts_are_run_shown_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = sys.modules[__name__]
    monkeypatch.setitem(sys.modules, "bench.made_up", module)
    parts = {
        "stub": "bench.made_up:Stub",
        "broken": "bench.made_up:Broken",
        "later": "bench.not_there:Part",
        "empty": "bench.made_up:NoSuchPart",
    }
    monkeypatch.setattr(runner, "PARTS", parts)
    path = tmp_path / "results.json"
    assert runner.main(["--quick", f"--json={path}"]) == 1
    printed = capsys.readouterr().out
    assert "stub threads 2, rounds 3" in printed
    assert "part later is not in this build" in printed
    assert "part empty is not in this build" in printed
    assert "failed: broken: out of luck" in printed
    assert "failed: stub: one of two things" in printed
    found = json.loads(path.read_text())
    assert found["stub"]["figure"] == 1
    assert found["broken"] == {"failed": ["out of luck"]}
    assert found["later"] is None
    assert found["command"] == "python -m bench --quick --rounds 3 --seconds 0.2 --threads 2"
    assert len(found["goals"]) == len(GOALS) + len(LEDGER_GOALS) + len(REST_GOALS)


def test_plain_lines_of_progress_are_few() -> None:
    console = text_console()
    with show_progress(console, "server", 100) as step:
        for number in range(100):
            step(f"step {number}")
    assert len(shown(console).splitlines()) == 10


def test_a_bar_shows_the_step_in_a_terminal() -> None:
    console = Console(file=io.StringIO(), width=150, force_terminal=True)
    with show_progress(console, "server", 2) as step:
        step("first")
        step("second [not markup]")
    text = shown(console)
    assert "server" in text
    assert "1/2" in text
    assert "second [not markup]" in text
