"""The life of every background service, and the registry that knows them all.

A service is one object from ``start`` to ``stop``: its options are fixed when
it is made, and a second run is a second object. States go
``NOT_DECLARED -> STARTING -> RUNNING -> STOPPING -> NOT_DECLARED``; a start
that fails ends where it began and raises, a loop that breaks ends in
``FAILED`` with its reason.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeAlias, TypeVar

from edgelake import limits
from edgelake.errors import AlreadyRunning, BadArgument, NotRunning, ServiceError
from edgelake.interfaces import ServiceState, ServiceStatus

__all__ = ["Service", "ServiceRegistry"]


S = TypeVar("S", bound="Service")

Report: TypeAlias = Callable[[str, BaseException], None]
"""Takes the name of a service and what failed in its background; must not block or raise."""


Told: TypeAlias = Callable[[str, str, str], None]
"""Takes the name of a service, what it did, and details; must not block or raise."""


def _unheard(name: str, error: BaseException) -> None:
    pass


def _untold(name: str, event: str, details: str) -> None:
    pass


class Service(ABC):
    """One background service.

    Subclasses implement `_start`, `_stop`, `describe` and, where there is
    something to count, `figures`. All public methods may be called from any
    thread.

    Attributes
    ----------
    name : str
        What ``exit <name>`` calls it.
    title : str
        Its row in ``get processes``.
    absent : str
        Details of that row while it does not run.
    report : callable
        Gets the service's name and what failed in its background.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    absent: ClassVar[str] = ""

    def __init__(self) -> None:
        self._life = threading.RLock()
        self._state = ServiceState.NOT_DECLARED
        self._failure = ""
        self.report: Report = _unheard

    @property
    def state(self) -> ServiceState:
        """Where the service stands."""
        return self._state

    def start(self) -> None:
        """Start, and return when the service is ready.

        Raises
        ------
        AlreadyRunning
            It runs or is on its way.
        EdgeLakeError
            What kept it from starting; nothing is left behind.
        """
        with self._life:
            if self._state is not ServiceState.NOT_DECLARED:
                raise AlreadyRunning(f"{self.title} is active already")
            self._state = ServiceState.STARTING
            try:
                self._start()
            except BaseException:
                self._state = ServiceState.NOT_DECLARED
                raise
            self._state = ServiceState.RUNNING

    def stop(self, timeout_s: float = limits.STOP_TIMEOUT_S) -> bool:
        """Finish what was taken, at most ``timeout_s`` seconds, then end.

        Returns
        -------
        bool
            Whether everything was finished; false when the deadline cut it.
            A service that does not run is finished.
        """
        with self._life:
            if self._state in (ServiceState.NOT_DECLARED, ServiceState.STOPPING):
                return True
            self._state = ServiceState.STOPPING
            try:
                return self._stop(timeout_s)
            finally:
                self._state = ServiceState.NOT_DECLARED

    def status(self) -> ServiceStatus:
        """Return state, one line of details and figures."""
        details = self._failure if self._state is ServiceState.FAILED else self.describe()
        return ServiceStatus(self._state, details, self.figures())

    def fail(self, reason: str) -> None:
        """Note that the service broke by itself; called by its own threads."""
        self._failure = reason
        self._state = ServiceState.FAILED
        self.report(self.name, ServiceError(reason))

    @abstractmethod
    def describe(self) -> str:
        """Return one line that says what the service does now."""

    def figures(self) -> dict[str, Any]:
        """Return named counters as JSON data."""
        return {}

    @abstractmethod
    def _start(self) -> None:
        """Bring the service up; raise if that fails, leaving nothing behind."""

    @abstractmethod
    def _stop(self, timeout_s: float) -> bool:
        """End the service; return whether it finished its work in time."""


class ServiceRegistry:
    """Every kind of service this node knows, and the ones that run. Thread-safe.

    Parameters
    ----------
    *kinds : type of Service
        In the order of ``get processes``.
    report : callable or None
        Gets what fails in the background of the services, with their names.
    told : callable or None
        Gets what is started and stopped.
    """

    def __init__(
        self, *kinds: type[Service], report: Report | None = None, told: Told | None = None
    ) -> None:
        self._report = report or _unheard
        self._told = told or _untold
        self._lock = threading.Lock()
        self._kinds = {kind.name: kind for kind in kinds}
        self._running: dict[str, Service] = {}

    def names(self) -> list[str]:
        """Return the names that ``exit`` takes, in declared order."""
        return list(self._kinds)

    def start(self, service: Service) -> None:
        """Start a service and keep it.

        Raises
        ------
        AlreadyRunning
            One of its kind runs.
        EdgeLakeError
            It could not start.
        """
        with self._lock:
            if service.name in self._running:
                raise AlreadyRunning(
                    f"{service.title} is active already", hint=f"exit {service.name} ends it"
                )
            self._running[service.name] = service
        service.report = self._report
        try:
            service.start()
        except BaseException:
            with self._lock:
                if self._running.get(service.name) is service:
                    del self._running[service.name]
            raise
        self._told(service.name, "started", service.describe())

    def find(self, kind: type[S]) -> S | None:
        """Return the service of that kind, ``None`` when it does not run."""
        with self._lock:
            service = self._running.get(kind.name)
        return service if isinstance(service, kind) else None

    def runs(self, name: str) -> bool:
        """Return whether the service of that name runs."""
        with self._lock:
            return name in self._running

    def stop(self, name: str, timeout_s: float = limits.STOP_TIMEOUT_S) -> bool:
        """Stop a service and forget it; return whether it finished in time.

        Raises
        ------
        BadArgument
            No kind has that name.
        NotRunning
            It does not run; nothing was changed.
        """
        if name not in self._kinds:
            raise BadArgument(
                f"no process is called '{name}'", hint="write one of: " + ", ".join(self._kinds)
            )
        with self._lock:
            service = self._running.get(name)
        if service is None:
            raise NotRunning(f"{self._kinds[name].title} is not running")
        finished = service.stop(timeout_s)
        with self._lock:
            if self._running.get(name) is service:
                del self._running[name]
        self._told(name, "stopped", "" if finished else "not everything was finished")
        return finished

    def stop_all(self, timeout_s: float = limits.STOP_TIMEOUT_S) -> bool:
        """Stop every service, the last started first; return whether all finished in time."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            services = list(reversed(self._running.values()))
        finished = True
        for service in services:
            done = service.stop(max(0.1, deadline - time.monotonic()))
            # Those started before it were there for it until its end.
            with self._lock:
                if self._running.get(service.name) is service:
                    del self._running[service.name]
            self._told(service.name, "stopped", "" if done else "not everything was finished")
            finished = done and finished
        return finished

    def states(self) -> list[tuple[type[Service], ServiceState]]:
        """Return each service that was started and not ended, with its state."""
        with self._lock:
            return [(type(service), service.state) for service in self._running.values()]

    def statuses(self) -> Iterator[tuple[type[Service], ServiceStatus]]:
        """Yield every kind with the status of the one that runs."""
        for kind in self._kinds.values():
            service = self.find(kind)
            absent = ServiceStatus(ServiceState.NOT_DECLARED, kind.absent)
            yield kind, service.status() if service else absent
