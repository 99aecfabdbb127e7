"""A whole node inside a program: its parts put together, started and stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter

from edgelake import limits
from edgelake.commands import (
    SERVICE_KINDS,
    Interpreter,
    Kept,
    NodeParts,
    build_registry,
)
from edgelake.commands.names import KnownNames
from edgelake.commands.reserved import reserved_entries
from edgelake.errors import EdgeLakeError, NotRunning
from edgelake.interfaces import Notice, Result, ServiceStatus
from edgelake.language import CommandRegistry, LogicalLines, Variables, conceal, redacted
from edgelake.ledger import LocalLedger
from edgelake.services.base import ServiceRegistry
from edgelake.services.log_file import LogFile
from edgelake.services.logs import Logs
from edgelake.services.memory import give_back_large_blocks
from edgelake.services.rest import RestService, WebApp
from edgelake.storage import Databases, Home, LedgerFile

__all__ = ["Node"]


class Node:
    """One node: variables, databases, ledger and services, driven by commands.

    Parameters
    ----------
    home : str or Path
        Folder of the node's files; made when something is first written.
    name : str
        Name of the node in ``get status``.
    on_exit : callable or None
        Called once when ``exit node`` was commanded.

    Notes
    -----
    A context manager: leaving it stops every service in order. `run` and
    `execute` may be called from several threads.

    Examples
    --------
    >>> with Node("/tmp/example-node") as node:
    ...     node.run("get status").text
    'edgelake running'
    """

    def __init__(
        self,
        home: str | Path,
        *,
        name: str = "edgelake",
        on_exit: Callable[[], None] | None = None,
    ) -> None:
        give_back_large_blocks()
        self.home = Home(Path(home))
        variables = Variables(reserved_entries(self.home))
        databases = Databases(self.home.databases_dir)
        ledger = LocalLedger(LedgerFile(self.home.ledger_file))
        logs = Logs()
        registry = build_registry()
        log = logs.file = LogFile(self.home.log_file, lambda text: redacted(text, registry))

        def told(service: str, event: str, details: str) -> None:
            if event == "started":
                log.begin()
                logs.note_commands()
            log.write("info", service, event, details=details)

        self._parts = NodeParts(
            home=self.home,
            variables=variables,
            services=ServiceRegistry(*SERVICE_KINDS, report=logs.trouble, told=told),
            logs=logs,
            databases=databases,
            ledger=ledger,
            name=name,
            on_exit=on_exit,
        )
        self.registry: CommandRegistry = registry
        self._interpreter = Interpreter(self.registry, self._parts)
        self._names = KnownNames(self._parts)
        self._parts.web = self._web
        self._closed = False

    # ------------------------------------------------------------- commands

    def run(self, text: str) -> Result:
        """Run a command and return its answer.

        Several commands, and scripts, give several answers: their texts are joined, ``data``
        is a list of theirs; if one alone has data, it is that.

        Raises
        ------
        EdgeLakeError
            The command failed; see `edgelake.errors` for the kinds.
        """
        answers = Kept()
        self.execute(text, answers.take)
        if len(answers) == 1:
            return answers[0]
        data = [answer.data for answer in answers if answer.data is not None]
        return Result(
            data[0] if len(data) == 1 else data or None,
            "\n".join(answer.text for answer in answers),
        )

    def execute(self, text: str, emit: Callable[[Result], None]) -> None:
        """Run a command and hand each answer to ``emit`` as soon as it is there.

        Parameters
        ----------
        text : str
            One logical line, or a block ``<`` … ``>``.

        Raises
        ------
        NotRunning
            The node is closed.
        EdgeLakeError
            The command failed.
        """
        if self._closed:
            raise NotRunning("the node is closed", hint="make a new Node")
        if not text.lstrip().startswith("<"):
            self._interpreter.execute(text, emit)
            return
        for command in self._block(text):
            self._interpreter.execute(command, emit)

    def _block(self, text: str) -> list[str]:
        """Return the commands of a block."""
        lines = LogicalLines()
        try:
            ready = [found for line in text.splitlines(keepends=True) for found in lines.feed(line)]
            return [command for _, command in (*ready, *lines.finish())]
        except EdgeLakeError as exc:
            conceal(exc, text, self.registry)
            self._parts.logs.failed(text, "", exc, perf_counter())
            raise

    def _web(self, service: RestService) -> WebApp:
        """Return what a REST server of this node serves."""
        # It needs libraries of the extra edgelake[rest].
        from edgelake.rest.app import make_app

        return make_app(self._interpreter, self._parts, service)

    # ----------------------------------------------------------------- life

    @property
    def stopping(self) -> bool:
        """Whether the node has to end: ``exit node`` was commanded, or it is closed."""
        return self._parts.stopping.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until ``exit node`` is commanded; return whether it was within ``timeout_s``."""
        return self._parts.stopping.wait(timeout_s)

    def services(self) -> dict[str, ServiceStatus]:
        """Return the status of every kind of service, by its name."""
        return {kind.name: status for kind, status in self._parts.services.statuses()}

    @property
    def name(self) -> str:
        """Name of the node; ``edgelake`` if nobody gave it one."""
        return self._parts.name

    def variables(self) -> dict[str, str]:
        """Return the variables and their values of this moment."""
        return self._names.variables()

    def environment(self) -> Mapping[str, str]:
        """Return the environment that ``$NAME`` refers to."""
        return self._names.environment()

    def databases(self) -> list[str]:
        """Return the names of the connected databases; never waits."""
        return self._names.databases()

    def tables(self) -> list[str]:
        """Return the names of the tables that policies describe; never waits."""
        return self._names.tables()

    def policy_types(self) -> list[str]:
        """Return the types of the policies in memory; never waits."""
        return self._names.policy_types()

    def addresses(self) -> dict[str, str]:
        """Return the addresses of nodes that policies describe, with their names; never waits."""
        return self._names.addresses()

    def service_names(self) -> list[str]:
        """Return the names that ``exit`` takes."""
        return self._names.service_names()

    def show_notices(self, sink: Callable[[Notice], None] | None) -> None:
        """Show what peers print here through ``sink``; ``None`` keeps it for `notices`."""
        self._parts.notices.show(sink)

    def notices(self) -> list[Notice]:
        """Return and forget what peers printed here while nobody watched."""
        return self._parts.notices.take()

    @property
    def assigned(self) -> str:
        """Nodes to which commands of this thread go, as written; empty if they run here."""
        return self._interpreter.assigned

    def shown(self, text: str) -> str:
        """Return a command as it may be kept and shown: without secrets."""
        return self._interpreter.shown(text)

    def ask_with(self, ask: Callable[[str], str | None] | None) -> None:
        """Let scripts that are watched step by step ask a person.

        Parameters
        ----------
        ask : callable or None
            Shows a prompt and returns what was typed, ``None`` at the end of the input.
        """
        self._parts.ask = ask

    def unread(self) -> bool:
        """Return whether the echo queue holds messages that nobody has looked at."""
        return self._parts.echoes.unread

    def history_path(self) -> Path:
        """Return the file of the console's history, its folder made.

        Raises
        ------
        StorageError
            The home folder cannot be made.
        """
        self.home.create_root()
        return self.home.root / "history"

    def close(self, timeout_s: float = limits.STOP_TIMEOUT_S) -> bool:
        """Stop every service, close the databases; return whether all finished in time.

        May be called twice.
        """
        if self._closed:
            return True
        self._closed = True
        self._parts.stopping.set()
        self._parts.children.close()
        finished = self._parts.scripts.stop(timeout_s)
        finished = self._parts.services.stop_all(timeout_s) and finished
        self._parts.arrivals.close()
        self._parts.followers.close()
        self._parts.ledger.close()
        self._parts.platforms.close()
        self._parts.databases.close()
        self.home.unlock()
        self._parts.notices.show(None)
        if self._parts.logs.file is not None:
            self._parts.logs.file.close()
        return finished

    def __enter__(self) -> Node:
        """Return the node."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the node."""
        self.close()
