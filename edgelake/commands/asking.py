"""Commands for other nodes on their way: all are sent at once, none waits for another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.transfers import carries_files
from edgelake.errors import CommandSyntaxError
from edgelake.services.jobs import PendingJob
from edgelake.wire import Endpoint, Job, encoded_command, travels_as_file

__all__ = ["Asked", "ask"]

_ALWAYS_ANSWERED = frozenset({"get", "query", "test", "info", "sql", "help"})
"""First words of commands to which a node always answers something."""

_ANSWERED_FILE_COMMANDS = ("file test ", "file hash ")
"""The same for commands on files; of others only a failure is heard."""

_SPOKEN = frozenset({"print", "echo"})
"""First words that a node takes for an answer if they carry a job, and never answers."""


class Asked:
    """A command that was sent to some nodes. A context manager: leaving it ends the wait.

    Attributes
    ----------
    job : PendingJob
    nodes : sequence of Endpoint
        By the index of the job.
    always : bool
        Every node that gets the command answers something.
    timeout_s : float
        How long their answers are waited for.
    """

    def __init__(
        self, job: PendingJob, nodes: Sequence[Endpoint], timeout_s: float, *, always: bool
    ) -> None:
        self.job = job
        self.nodes = nodes
        self.timeout_s = timeout_s
        self.always = always

    def __enter__(self) -> Asked:
        """Return it."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the wait: later answers are strays."""
        self.job.__exit__(*error)


def ask(
    context: Context, nodes: Sequence[Endpoint], request: str, timeout_s: float | None
) -> Asked:
    """Send a command to nodes and return at once.

    Parameters
    ----------
    nodes : sequence of Endpoint
        At least one, none twice.
    request : str
        As it travels.
    timeout_s : float or None
        How long answers are waited for; ``None``: as long as is usual for the command.

    Raises
    ------
    TcpNotRunning, Overloaded, LocalProtocolError
    CommandSyntaxError
        The command carries files, which is no message.
    """
    if carries_files(request):
        raise CommandSyntaxError(
            "the files that a command carries are no replies to collect",
            hint="write run client … without a variable before it",
        )
    tcp = context.node.tcp()
    first = request.split(None, 1)[0]
    # What is spoken is never answered, what travels as a file only by nodes like this one.
    unheard = first in _SPOKEN
    large = travels_as_file(encoded_command(request))
    always = first in _ALWAYS_ANSWERED or request.startswith(_ANSWERED_FILE_COMMANDS)
    if timeout_s is None:
        timeout_s = limits.REPLY_TIMEOUT_S if always or unheard else limits.SILENT_REPLY_WAIT_S
    # The job is open before anything is sent: an answer cannot come too early.
    job = context.node.jobs.open(len(nodes))
    try:
        for index, to in enumerate(nodes):
            header = Job(receivers=len(nodes), index=index) if unheard else job.header(index)
            sent = tcp.request(to, request, header, retry_pause_s=limits.CLIENT_RETRY_PAUSE_S)
            sent.add_done_callback(_outcome_of(job, index, unheard=unheard, large=large))
    except BaseException:
        job.__exit__()
        raise
    return Asked(job, nodes, timeout_s, always=always)


def _outcome_of(
    job: PendingJob, index: int, *, unheard: bool, large: bool
) -> Callable[[Future[bool]], None]:
    def check(sent: Future[bool]) -> None:
        error = sent.exception()
        if error is not None:
            job.fail(index, error)
        elif unheard or (large and not sent.result()):
            job.excuse(index)

    return check
