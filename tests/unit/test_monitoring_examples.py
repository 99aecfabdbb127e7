"""The files of ``examples/monitoring`` ask for metrics that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from edgelake.rest.metric_list import METRICS

EXAMPLES = Path(__file__).parents[2] / "examples" / "monitoring"
OF_PROMETHEUS = {"up"}
WORDS = re.compile(r'"[^"]*"|\b((?:edgelake|process)_\w+|up)\b(?!\()')


def series() -> dict[str, set[str]]:
    """Return every series that a node has, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in METRICS:
        names = [metric.name]
        if metric.kind == "histogram":
            names = [f"{metric.name}_{part}" for part in ("bucket", "sum", "count")]
        for name in names:
            more = {"le"} if name.endswith("_bucket") else set()
            found[name] = {*metric.labels, "instance", "job"} | more
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for family in registry.collect():
        for sample in family.samples:
            found[sample.name] = {"instance", "job"}
    return found


def dashboard() -> dict:
    return json.loads((EXAMPLES / "grafana-dashboard.json").read_text(encoding="utf-8"))


def charts() -> list[dict]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def alerts() -> list[dict]:
    found = yaml.safe_load((EXAMPLES / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in found["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    for panel in charts():
        for target in panel["targets"]:
            yield target["expr"]
    for rule in alerts():
        yield rule["expr"]


@pytest.mark.parametrize("expression", list(expressions()))
def test_every_metric_that_is_asked_for_exists(expression: str) -> None:
    asked = {name for name in WORDS.findall(expression) if name}
    assert asked
    assert asked <= series().keys() | OF_PROMETHEUS


@pytest.mark.parametrize("expression", list(expressions()))
def test_every_label_that_is_asked_for_exists(expression: str) -> None:
    known = series()
    for name, inside in re.findall(r"(\w+)\{([^}]*)\}", expression):
        labels = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", inside))
        assert labels <= known.get(name, {"job", "instance"}), name


def test_legends_name_labels_that_exist() -> None:
    known = series()
    for panel in charts():
        for target in panel["targets"]:
            (name, *_) = (name for name in WORDS.findall(target["expr"]) if name)
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= known[name]


def test_the_dashboard_is_whole() -> None:
    found = dashboard()
    panels = found["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert {variable["name"] for variable in found["templating"]["list"]} == {
        "datasource",
        "job",
        "instance",
    }


def test_every_part_of_the_node_is_shown() -> None:
    asked = " ".join(expressions())
    for part in ("tcp", "sync", "ledger", "relay", "data", "rest"):
        assert f"edgelake_{part}_" in asked


def test_prometheus_is_told_where_and_with_which_rules() -> None:
    found = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = found["scrape_configs"]
    assert job["job_name"] == "edgelake"
    assert job["static_configs"] == [{"targets": ["127.0.0.1:32049"]}]
    assert [(EXAMPLES / name).is_file() for name in found["rule_files"]] == [True]


def test_alerts_say_where_and_what() -> None:
    for rule in alerts():
        assert "{{ $labels.instance }}" in rule["annotations"]["summary"]
        assert re.fullmatch(r"\d+m", rule["for"])
