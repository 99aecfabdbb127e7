"""The life of a service, and the registry."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from edgelake.errors import AlreadyRunning, BadArgument, NotRunning, ServiceError
from edgelake.interfaces import ServiceState
from edgelake.services.base import Service, ServiceRegistry


class Lamp(Service):
    """A service that only remembers what was asked of it."""

    name = "lamp"
    title = "Lamp"

    def __init__(self, broken: bool = False, finishes: bool = True) -> None:
        super().__init__()
        self.broken = broken
        self.finishes = finishes
        self.calls: list[str] = []

    def describe(self) -> str:
        return "shines"

    def figures(self) -> dict[str, Any]:
        return {"calls": len(self.calls)}

    def _start(self) -> None:
        self.calls.append("start")
        if self.broken:
            raise ServiceError("no power")

    def _stop(self, timeout_s: float) -> bool:
        self.calls.append("stop")
        return self.finishes


class Fan(Lamp):
    """Another kind."""

    name = "fan"
    title = "Fan"


def test_a_life():
    lamp = Lamp()
    assert lamp.status().state is ServiceState.NOT_DECLARED
    lamp.start()
    assert lamp.status().state is ServiceState.RUNNING
    assert lamp.status().details == "shines"
    with pytest.raises(AlreadyRunning):
        lamp.start()
    assert lamp.stop()
    assert lamp.stop()
    assert lamp.calls == ["start", "stop"]
    assert lamp.state is ServiceState.NOT_DECLARED


def test_a_start_that_fails_leaves_nothing():
    registry = ServiceRegistry(Lamp)
    with pytest.raises(ServiceError, match="no power"):
        registry.start(Lamp(broken=True))
    assert registry.find(Lamp) is None
    registry.start(Lamp())
    assert registry.find(Lamp) is not None
    assert registry.runs("lamp")


def test_a_failure_is_shown_until_it_is_stopped():
    lamp = Lamp()
    lamp.start()
    lamp.fail("bulb broke")
    assert lamp.status().state is ServiceState.FAILED
    assert lamp.status().details == "bulb broke"
    assert lamp.stop()
    assert lamp.state is ServiceState.NOT_DECLARED


def test_registry():
    registry = ServiceRegistry(Lamp, Fan)
    assert registry.names() == ["lamp", "fan"]
    lamp = Lamp(finishes=False)
    registry.start(lamp)
    with pytest.raises(AlreadyRunning, match="Lamp"):
        registry.start(Lamp())
    assert [(kind.title, status.state.value) for kind, status in registry.statuses()] == [
        ("Lamp", "Running"),
        ("Fan", "Not declared"),
    ]
    with pytest.raises(NotRunning):
        registry.stop("fan")
    with pytest.raises(BadArgument, match="teapot"):
        registry.stop("teapot")
    assert not registry.stop("lamp")
    assert registry.find(Lamp) is None
    assert not registry.runs("lamp")


def test_stop_all_in_reverse_order():
    registry = ServiceRegistry(Lamp, Fan)
    order: list[str] = []
    for service in (Lamp(), Fan()):
        service._stop = lambda timeout_s, name=service.name: order.append(name) or True
        registry.start(service)
    assert registry.stop_all()
    assert order == ["fan", "lamp"]


def test_what_was_started_before_is_there_until_its_turn_comes():
    registry = ServiceRegistry(Lamp, Fan)
    found: list[tuple[bool, bool]] = []
    for service in (Lamp(), Fan()):
        service._stop = lambda timeout_s: (
            found.append((registry.runs("lamp"), registry.runs("fan"))) or True
        )
        registry.start(service)
    assert registry.stop_all()
    assert found == [(True, True), (True, False)]
    assert not registry.runs("lamp")


def test_only_one_of_many_starts_wins():
    registry = ServiceRegistry(Lamp)
    gate = threading.Barrier(8)
    outcomes: list[bool] = []

    def start() -> None:
        gate.wait()
        try:
            registry.start(Lamp())
        except AlreadyRunning:
            outcomes.append(False)
        else:
            outcomes.append(True)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 7 + [True]
