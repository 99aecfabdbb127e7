"""``run client``: send a command to other nodes and show what they answer."""

from __future__ import annotations

from edgelake.commands.asking import Asked, ask
from edgelake.commands.context import Context
from edgelake.commands.destinations import destination_options, resolve
from edgelake.commands.replies import as_peer_error, from_node, remote_error, unreached
from edgelake.commands.transfers import carry
from edgelake.errors import CommandNotAvailable, CommandSyntaxError, EdgeLakeError, NoReply
from edgelake.interfaces import Permission, Result
from edgelake.language import Argument, Call, CommandSet, Destination, Destinations, Form, Remote

__all__ = ["commands"]

commands = CommandSet(group="network", topics=("peers",))


@commands.command(
    "run client",
    summary="send a command to one or more nodes and show their replies",
    arguments=(
        Argument("destination", Destination(), help="ip:port, a list, or policies"),
        Argument("command", Remote(), required=False, help="what the nodes shall do"),
    ),
    form=Form.REMOTE,
    permission=Permission.NEVER,
    details=(
        "A list holds addresses, policies (operator where name = op7), whole queries (blockchain\n"
        "get operator where … bring.ip_port) and tables (dbms = d and table = t). In it\n"
        "'timeout = N' sets the seconds to wait for replies, 'subset = true' takes the replies\n"
        "that came when some nodes gave none. Each reply is shown as it comes.\n"
        "'!x' is replaced here, '!!x' by the node that gets the command. A command of more\n"
        "than 1,840 bytes is carried out, but only nodes that keep connections answer it.\n"
        "Without a command the console is assigned to the nodes: what is typed runs there, except\n"
        "help, wait, blockchain insert, single words, and what a point leads. 'run client .' ends\n"
        "that. 'file copy' sends files of this node, 'file get' fetches files of the other one."
    ),
    examples=(
        "run client 10.0.0.7:32048 get status",
        "run client (10.0.0.7:32048, 10.0.0.8:32048, subset = true) get processes",
        "run client (operator where company = acme, timeout = 5) get status",
        "answer = run client (10.0.0.7:32048) get status",
        "replies{} = run client (blockchain get operator bring.ip_port) get disk usage",
        "run client (10.0.0.7:32048)",
        "run client (10.0.0.7:32048) file copy report.json !!tmp_dir/report.json",
        "run client (10.0.0.7:32048) file get !!tmp_dir/report.json report.json",
    ),
    related=("run tcp server", "get connections", "wait"),
)
def _run_client(context: Context, call: Call) -> Result:
    destinations: Destinations = call.arguments["destination"]
    request: str | None = call.arguments["command"]
    if destinations.here or request is None:
        return _assign_console(context, call, destinations, request)
    subset, timeout_s = destination_options(call)
    if request.startswith("sql ") and not (destinations.addresses or destinations.queries):
        raise CommandNotAvailable(
            "'run client () sql' is not available in this version",
            hint="name the nodes: run client (ip:port) sql …",
            column=call.column("destination"),
        )
    nodes = resolve(context, call)
    carried = carry(context, request, nodes, subset=subset, timeout_s=timeout_s)
    if carried is not None:
        return carried
    with ask(context, nodes, request, timeout_s) as asked:
        return _shown(context, asked, subset=subset)


def _assign_console(
    context: Context, call: Call, destinations: Destinations, request: str | None
) -> Result:
    """Have what is typed run elsewhere from now on, or here again."""
    if destinations.here:
        if request is not None:
            raise CommandSyntaxError(
                "'.' is no node", hint="write '. command' to run a command here", column=1
            )
        context.frame.assigned = ""
        return Result()
    if context.frame.run is not None:
        raise CommandSyntaxError(
            "missing <command>", hint="in a script, write run client <destination> <command>"
        )
    destination_options(call)
    resolve(context, call)  # says now what is wrong with it
    statement = call.statement
    first, last = statement.destination[0], statement.destination[-1]
    context.frame.assigned = statement.text[first.start : last.end]
    return Result()


def _shown(context: Context, asked: Asked, *, subset: bool) -> Result:
    """Show the answers as they come; raise when a node failed and all were wanted."""
    job, nodes = asked.job, asked.nodes
    texts: list[str] = []
    data: dict[int, dict[str, object]] = {}
    faults: dict[int, EdgeLakeError] = {}

    def tell(index: int, text: str) -> None:
        if not context.stored and context.node.echoes.add(text.strip(), str(nodes[index])):
            return
        if len(nodes) > 1:
            context.emit(Result(None, text))
        else:
            texts.append(text)

    for index in job.arrivals(asked.timeout_s, context.watch):
        answer, failure = job.answers.get(index), job.failures.get(index)
        if answer is not None:
            tell(index, from_node(answer))
            data[index] = {"node": answer.source, "reply": answer.text, "error": answer.error}
            if answer.error:
                faults[index] = remote_error(answer)
        elif failure is not None:
            tell(index, unreached(nodes[index], failure))
            data[index] = {"node": str(nodes[index]), "reply": None, "failure": str(failure)}
            faults[index] = as_peer_error(failure)
    for index, to in enumerate(nodes):
        if asked.always and index not in data and index not in job.excused:
            tell(index, f"[Message to Node {to}] [Not responding]")
            data[index] = {"node": str(to), "reply": None, "failure": "no reply"}
            faults[index] = NoReply(f"{to} did not answer within {asked.timeout_s:g} seconds")
    raised = None if subset and job.answers else faults.pop(min(faults, default=-1), None)
    for index in sorted(faults):
        context.node.logs.trouble(f"run client {nodes[index]}", faults[index])
    if raised is not None:
        raise raised
    return Result([data[index] for index in sorted(data)] or None, "\n".join(texts))
