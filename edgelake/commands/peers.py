"""``run client``: send a command to other nodes and show what they answer."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.rendering import json_text
from edgelake.errors import (
    BadArgument,
    BadDestination,
    EdgeLakeError,
    NoReply,
    PeerError,
    RemoteError,
)
from edgelake.interfaces import Notice, Permission, Result
from edgelake.language import (
    Argument,
    Boolean,
    Call,
    CommandSet,
    Destination,
    Form,
    Integer,
    Remote,
)
from edgelake.services.jobs import Answer, PendingJob
from edgelake.wire import (
    Endpoint,
    Job,
    encoded_command,
    error_from_peer,
    parse_endpoint,
    travels_as_file,
)

__all__ = ["commands", "notice_text"]

commands = CommandSet(group="network")

_ALWAYS_ANSWERED = frozenset({"get", "query", "test", "info", "sql", "help", "file"})
"""First words of commands to which a node always answers something."""

_SPOKEN = frozenset({"print", "echo"})
"""First words that a node takes for an answer if they carry a job, and never answers."""


@commands.command(
    "run client",
    summary="send a command to one or more nodes and show their replies",
    arguments=(
        Argument("destination", Destination(), help="ip:port, or (ip:port, ip:port, …)"),
        Argument("command", Remote(), help="what the nodes shall do"),
    ),
    form=Form.REMOTE,
    permission=Permission.NEVER,
    details=(
        "In the list of destinations 'timeout = N' sets the seconds to wait for replies,\n"
        "'subset = true' takes the replies that came when some nodes gave none.\n"
        "'!x' is replaced here, '!!x' by the node that gets the command. A command of more\n"
        "than 1,840 bytes is carried out, but only nodes that keep connections answer it."
    ),
    examples=(
        "run client 10.0.0.7:32048 get status",
        "run client (10.0.0.7:32048, 10.0.0.8:32048, subset = true) get processes",
        "answer = run client (10.0.0.7:32048) get status",
    ),
    related=("run tcp server", "get connections"),
)
def _run_client(context: Context, call: Call) -> Result:
    request: str = call.arguments["command"]
    destinations, subset, timeout_s = _destinations(call)
    tcp = context.node.tcp()
    first = request.split(None, 1)[0]
    # What is spoken is never answered, what travels as a file only by nodes like this one.
    unheard = first in _SPOKEN
    large = travels_as_file(encoded_command(request))
    always = first in _ALWAYS_ANSWERED and not unheard
    if timeout_s is None:
        timeout_s = limits.REPLY_TIMEOUT_S if always or unheard else limits.SILENT_REPLY_WAIT_S
    # The job is open before anything is sent: an answer cannot come too early.
    with context.node.jobs.open(len(destinations)) as job:
        for index, to in enumerate(destinations):
            header = Job(receivers=len(destinations), index=index) if unheard else job.header(index)
            sent = tcp.request(to, request, header, retry_pause_s=limits.CLIENT_RETRY_PAUSE_S)
            sent.add_done_callback(_outcome_of(job, index, unheard=unheard, large=large))
        job.wait(timeout_s)
        return _collect(
            context, job, destinations, always=always, subset=subset, timeout_s=timeout_s
        )


def notice_text(notice: Notice) -> str:
    """Return a notice as the console shows it."""
    if notice.source is None:
        return notice.text
    return _from_node(Answer(notice.source, notice.text, notice.error))


# ----------------------------------------------------------------- parts


def _destinations(call: Call) -> tuple[list[Endpoint], bool, float | None]:
    """Return the addresses, whether some suffice, and the time-out in seconds."""
    given = call.arguments["destination"]
    column = call.column("destination")
    options = dict(given.options)
    subset = Boolean().parse(options.pop("subset", "false"))
    timeout = options.pop("timeout", None)
    if options:
        raise BadArgument(
            f"unknown word '{next(iter(options))}' in the list of destinations",
            hint="write subset = true or timeout = seconds",
            column=column,
        )
    try:
        found = [parse_endpoint(text) for text in given.addresses]
    except BadDestination as exc:
        exc.column = column
        raise
    if not found:
        raise BadDestination("no destination", hint="write (ip:port)", column=column)
    if len(set(found)) != len(found):
        raise BadDestination("a destination is given twice", column=column)
    if len(found) > limits.MAX_DESTINATIONS:
        raise BadDestination(
            f"{len(found)} destinations exceed {limits.MAX_DESTINATIONS}", column=column
        )
    seconds = None if timeout is None else float(Integer(1, 86_400).parse(timeout))
    return found, subset, seconds


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


def _collect(
    context: Context,
    job: PendingJob,
    destinations: list[Endpoint],
    *,
    always: bool,
    subset: bool,
    timeout_s: float,
) -> Result:
    """Return the answers as one text; raise when a node failed and all were wanted."""
    parts: list[str] = []
    data: list[dict[str, object]] = []
    first_fault: EdgeLakeError | None = None
    for index, to in enumerate(destinations):
        answer = job.answers.get(index)
        failure = job.failures.get(index)
        if answer is not None:
            parts.append(_from_node(answer))
            data.append({"node": answer.source, "reply": answer.text, "error": answer.error})
            if answer.error and first_fault is None:
                first_fault = _remote(answer)
        elif failure is not None:
            parts.append(f"[Message to Node {to}] [Connection Failed] {failure}")
            data.append({"node": str(to), "reply": None, "failure": str(failure)})
            first_fault = first_fault or _as_peer_error(failure)
        elif always and index not in job.excused:
            parts.append(f"[Message to Node {to}] [Not responding]")
            data.append({"node": str(to), "reply": None, "failure": "no reply"})
            first_fault = first_fault or NoReply(
                f"{to} did not answer within {timeout_s:g} seconds"
            )
    if first_fault is None or (subset and job.answers):
        return Result(data or None, "\n".join(parts))
    if len(destinations) > 1:
        # The replies that came are shown before the fault of the others.
        context.emit(Result(data, "\n".join(parts)))
    raise first_fault


def _from_node(answer: Answer) -> str:
    """Return a reply under the name of its node: data indented, a line of text in quotes."""
    data = _data_of(answer)
    if data is not None:
        return f"[From Node {answer.source}]\n\n{json_text(data)}\n"
    lines = answer.text.replace("\r\n", "\n").strip("\n")
    if "\n" not in lines and not answer.error:
        return f'[From Node {answer.source}]\n\n"{lines.strip()}"\n'
    return f"[From Node {answer.source}]\n\n{lines}\n"


def _data_of(answer: Answer) -> Any:
    """Return the list or object that a reply is, ``None`` if it is text.

    Policies come in Python's notation (``docs/protocol.md``, "Replies").
    """
    text = answer.text.strip()
    if answer.error or text[:1] not in ("{", "[") or len(text) > limits.MAX_SHOWN_DATA_CHARS:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _remote(answer: Answer) -> RemoteError:
    error = error_from_peer(answer.error, answer.text.replace("\r\n", " "))
    error.message = f"[From Node {answer.source}] {error.message}"
    return error


def _as_peer_error(failure: BaseException) -> EdgeLakeError:
    return failure if isinstance(failure, EdgeLakeError) else PeerError(str(failure))
