"""What a command handler may use: the parts of the node, and who is asking."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from edgelake import limits
from edgelake.commands.frames import Frame
from edgelake.commands.runs import Running
from edgelake.errors import EdgeLakeError, NotRunning, ScriptStopped, TcpNotRunning
from edgelake.interfaces import LogPosition, Notice, Permission, Result
from edgelake.language import format_error
from edgelake.ledger import LocalLedger, Snapshot
from edgelake.platforms import Platforms
from edgelake.services.arrivals import Arrivals
from edgelake.services.base import Service, ServiceRegistry
from edgelake.services.echoes import EchoQueue
from edgelake.services.followers import Followers
from edgelake.services.jobs import Jobs
from edgelake.services.logs import Logs
from edgelake.services.master import MasterLedger, fault_of
from edgelake.services.msg_clients import MsgClients
from edgelake.services.notices import Notices
from edgelake.services.processes import ChildProcesses
from edgelake.services.relay import Relay
from edgelake.services.rest import RestService, WebApp
from edgelake.services.synchronizer import Synchronizer
from edgelake.services.tcp import TcpService
from edgelake.services.traces import Traces
from edgelake.services.transfers import Transfers
from edgelake.services.users import Users
from edgelake.storage import Databases, Home, SequencedLedger, UserFile
from edgelake.wire import Endpoint, FileFlag

if TYPE_CHECKING:
    from edgelake.commands.interpreter import Interpreter
    from edgelake.language import Variables

__all__ = ["LEDGER_DATABASE", "SERVICE_KINDS", "Context", "NodeParts", "Origin"]

_T = TypeVar("_T")

SERVICE_KINDS: tuple[type[Service], ...] = (TcpService, RestService, Synchronizer)
"""Every kind of service, in the order of ``get processes``."""

_LOOK_S = 0.05

LEDGER_DATABASE = "blockchain"
"""Name of the database that holds the table ``ledger``."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sent a command.

    Attributes
    ----------
    peer : Endpoint or None
        Where a peer wants its answer; ``None`` for the node's own console,
        scripts and programs.
    ip : str
        Address the peer's connection came from.
    session : int
        The session by which the command came, 0 for none.
    level : Permission or None
        Highest level of commands that this caller may use; ``None``: that of all peers.
    user : str
        Who said by REST who he is; empty for all others.
    """

    peer: Endpoint | None = None
    ip: str = ""
    session: int = 0
    level: Permission | None = None
    user: str = ""

    @property
    def source(self) -> str:
        """Who it was, as logs show it: ``user@ip``, ``ip``, or nothing for the node itself."""
        return f"{self.user}@{self.ip}" if self.user else self.ip

    @property
    def local(self) -> bool:
        """Whether the command comes from this node."""
        return self.peer is None and not self.ip


@dataclass(slots=True)
class NodeParts:
    """The parts of one node; shared by all its threads.

    Attributes
    ----------
    name, default_name : str
        What the node is called now, and was when it was made.
    permission : Permission
        Highest level of commands that peers may call.
    scripts : Running
        The scripts that run.
    ask : callable or None
        Shows a prompt to the person at the console, and returns what they type, ``None`` at
        the end of the input; ``None`` if there is nobody.
    web : callable or None
        Makes the application that a REST server serves; ``None`` if the node has none.
    users : Users
        Who may call by REST, if anybody has to say who he is.
    anonymous : Permission or None
        Level of REST callers who do not; counts if ``anonymous_given``.
    rest_timeout_s : float
        How long callers of a REST server wait for other nodes unless it was told; 0: no limit.
    stopping : threading.Event
        Set when the node has to end.
    started_s : float
        When the node was made, by the monotonic clock.
    """

    home: Home
    variables: Variables
    services: ServiceRegistry
    databases: Databases
    ledger: LocalLedger
    jobs: Jobs = field(default_factory=Jobs)
    notices: Notices = field(default_factory=Notices)
    children: ChildProcesses = field(default_factory=ChildProcesses)
    transfers: Transfers = field(default_factory=Transfers)
    logs: Logs = field(default_factory=Logs)
    platforms: Platforms = field(default_factory=Platforms)
    echoes: EchoQueue = field(default_factory=EchoQueue)
    traces: Traces = field(default_factory=Traces)
    permission: Permission = Permission.METADATA
    scripts: Running = field(default_factory=Running)
    name: str = "edgelake"
    default_name: str = field(init=False)
    relay: Relay = field(init=False)
    followers: Followers = field(init=False)
    users: Users = field(init=False)
    anonymous: Permission | None = None
    anonymous_given: bool = False
    arrivals: Arrivals = field(init=False)
    msg_clients: MsgClients = field(init=False)
    on_exit: Callable[[], None] | None = None
    ask: Callable[[str], str | None] | None = None
    web: Callable[[RestService], WebApp] | None = None
    rest_timeout_s: float = limits.DEFAULT_REST_TIMEOUT_S
    stopping: threading.Event = field(default_factory=threading.Event)
    started_s: float = field(default_factory=time.monotonic)
    _masters: dict[int, MasterLedger] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _served: int = 0

    def __post_init__(self) -> None:
        """Keep the name that the node was made with, find its users, watch its ledger."""
        self.default_name = self.name
        self.relay = Relay(self.ledger)
        self.relay.watch(self._relay_moved)
        self.followers = Followers(lambda: self.services.find(TcpService))
        self.arrivals = Arrivals(self.home, self.report)
        self.msg_clients = MsgClients(self.arrivals.stream)
        self.users = Users(UserFile(self.home.users_file))

    def level_of(self, origin: Origin) -> Permission:
        """Return the highest level of commands that somebody else may use here."""
        return self.permission if origin.level is None else origin.level

    def anonymous_level(self) -> Permission | None:
        """Return the level of REST callers who do not say who they are; ``None``: they may nothing.

        Raises
        ------
        StorageError
            The users of this node cannot be read.
        """
        if self.anonymous_given:
            return self.anonymous
        return None if len(self.users) else self.permission

    def end(self) -> None:
        """Ask the node to end; returns at once, services stop when the node closes."""
        first = not self.stopping.is_set()
        self.stopping.set()
        if first and self.on_exit is not None:
            self.on_exit()

    def report(self, where: str, error: EdgeLakeError) -> None:
        """Tell the console and the error log of a failure that no command answers with.

        Parameters
        ----------
        where : str
            Which part of the node failed, or the command that left it behind.
        """
        self.logs.trouble(where, error)
        self.notices.post(Notice(format_error(error)))

    def tcp(self) -> TcpService:
        """Return the running TCP service.

        Raises
        ------
        TcpNotRunning
        """
        service = self.services.find(TcpService)
        if service is None:
            raise TcpNotRunning(
                "the TCP server is not running",
                hint="start it with: run tcp server where external_ip = … and external_port = …",
            )
        return service

    def address(self) -> Endpoint | None:
        """Return the address other nodes know this node by, ``None`` before it listens."""
        service = self.services.find(TcpService)
        return service.options.external if service else None

    def display_name(self) -> str:
        """Return ``name@ip:port``, as ``get status`` shows it."""
        address = self.address()
        return f"{self.name}@{address}" if address else self.name

    def host_of(self, origin: Origin) -> str:
        """Return the address stored with a change: the peer's, or the node's own."""
        if origin.peer is not None:
            return origin.peer.host
        address = self.address()
        return address.host if address else "127.0.0.1"

    def lock_home(self) -> None:
        """Make sure that no other process writes to this home; kept until the node closes.

        Raises
        ------
        HomeLocked
        """
        self.home.lock()

    def serve_ledger(self, origin: Origin, name: str, snapshot: Snapshot) -> None:
        """Send a snapshot of the ledger under the asker's name, with the next counter."""
        stem, dot, kind = name.rpartition(".")
        with self._lock:
            self._served = self._served % 9 + 1
            counter = self._served
        numbered = f"{stem}.master_id_{counter}.{kind}" if dot else f"{name}.master_id_{counter}"
        if origin.peer is not None:
            tcp = self.tcp()
            tcp.answer_file(
                origin.peer, numbered, snapshot.data, FileFlag.LEDGER, origin.ip, origin.session
            )

    def look_up_ledger(self) -> Snapshot:
        """Return the shared ledger of this node; polls with its hash then need no look.

        That of its own table, or of a relay what its master sent.

        Raises
        ------
        DatabaseUnknown, TableMissing, DatabaseError
        """
        master = self.relay if self.relay.on else self.master_ledger()
        changes = master.changes
        snapshot = master.snapshot()
        tcp = self.services.find(TcpService)
        if tcp is not None:
            tcp.ledger_unchanged(snapshot.md5)
            if master.changes != changes:
                tcp.ledger_unchanged("")
        return snapshot

    def _ledger_spoilt(self) -> None:
        if not self.relay.on:
            self._unchanged_no_more()

    def _ledger_changed(self) -> None:
        if not self.relay.on:
            master = next(iter(self._masters.values()), None)
            self.followers.tell(master.rows.head if master else None)

    def _relay_moved(self, place: LogPosition | None) -> None:
        if self.relay.on:
            self._unchanged_no_more()
            self.followers.tell(place)

    def _unchanged_no_more(self) -> None:
        """Have polls by a hash looked up again: what was known of the ledger is over."""
        tcp = self.services.find(TcpService)
        if tcp is not None:
            tcp.ledger_unchanged("")

    def master_ledger(self) -> MasterLedger:
        """Return the ledger this node keeps in its own table.

        Raises
        ------
        DatabaseUnknown, TableMissing
        """
        database = self.databases.get(LEDGER_DATABASE)
        with self._lock:
            master = self._masters.get(id(database))
        if master is not None:
            return master
        table = SequencedLedger(database, fault_of)
        table.require()
        with self._lock:
            master = self._masters.get(id(database))
            if master is None:
                master = MasterLedger(table)
                master.fence(self._ledger_spoilt)
                master.watch(self._ledger_changed)
                self._masters = {id(database): master}
            return master


@dataclass(slots=True, eq=False)  # not frozen: that would double what a short command costs
class Context:
    """One running command: the node, who asked, and where answers go. Nobody changes it.

    Attributes
    ----------
    emit : callable
        Takes each `Result` as soon as it is there.
    frame : Frame
        Where the command stands among others.
    stored : bool
        Answers are stored in a variable, not shown.
    given : Variables or None
        What the caller sees in the place of the variables that peers see.
    defers : bool
        The answer may come later: the thread is one of those that all peers need.
    """

    node: NodeParts
    interpreter: Interpreter
    origin: Origin
    emit: Callable[[Result], None]
    frame: Frame = field(default_factory=Frame)
    stored: bool = False
    given: Variables | None = None
    defers: bool = False

    @property
    def variables(self) -> Variables:
        """The variables as who asks may see them."""
        if self.given is not None:
            return self.given
        return self.node.variables if self.origin.local else self.node.variables.for_peers()

    def when(self, done: Future[_T], made: Callable[[_T], Result]) -> Result:
        """Return the answer that ``made`` makes of what a future gives.

        A peer gets it when the future is done, and no thread waits for it. ``made`` must
        not block.

        Raises
        ------
        EdgeLakeError
            What the future, or ``made``, raises; of a peer's command later.
        """
        if not self.defers:
            return made(done.result())
        later: Future[Result] = Future()

        def end(found: Future[_T]) -> None:
            try:
                later.set_result(made(found.result()))
            except BaseException as exc:
                later.set_exception(exc)

        done.add_done_callback(end)
        return Result(later=later)

    def watch(self) -> None:
        """Return if the command may go on waiting for something.

        Raises
        ------
        ScriptStopped
            The script was told to stop.
        NotRunning
            The node ends.
        """
        if self.frame.stopped:
            raise ScriptStopped("the script was told to stop")
        if self.node.stopping.is_set():
            raise NotRunning("the node ends, and the command with it")

    def pause(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Wait; return whether ``until`` came true within that time.

        Ends early when the node ends.

        Raises
        ------
        ScriptStopped
            The script was told to stop.
        """
        deadline = time.monotonic() + seconds
        while not self.node.stopping.is_set():
            if until is not None and until():
                return True
            if self.frame.stopped:
                raise ScriptStopped("the script was told to stop")
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.node.stopping.wait(min(left, _LOOK_S))
        return False
