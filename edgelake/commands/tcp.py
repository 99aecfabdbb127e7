"""``run tcp server``."""

from __future__ import annotations

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.incoming import PeerMessages
from edgelake.errors import MissingOption
from edgelake.interfaces import Permission, Result
from edgelake.language import Boolean, Call, CommandSet, Integer, Option, Port, Text, Where
from edgelake.services.tcp import TcpOptions, TcpService
from edgelake.wire import Endpoint

__all__ = ["commands"]

commands = CommandSet(group="network", topics=("servers",))


@commands.command(
    "run tcp server",
    summary="listen for messages of other nodes",
    where=Where.REQUIRED,
    options=(
        Option("external_ip", Text(), help="address for nodes outside the local network"),
        Option("external_port", Port(zero=True), help="its port; 0 lets the system choose"),
        Option("internal_ip", Text(), help="address inside the local network; default external_ip"),
        Option("internal_port", Port(zero=True), help="its port; default external_port"),
        Option(
            "bind",
            Boolean(),
            default=False,
            help="true: listen on the internal address only; false: on every interface",
        ),
        Option(
            "threads",
            Integer(1, limits.MAX_THREADS),
            default=limits.DEFAULT_THREADS,
            help="I/O threads",
        ),
    ),
    permission=Permission.ADMIN,
    details=(
        "Returns when the node listens. The external address is what peers outside the\n"
        "local network answer to, the internal one serves peers inside."
    ),
    examples=(
        "run tcp server where external_ip = 10.0.0.7 and external_port = 32048"
        " and bind = false and threads = 6",
    ),
    related=("get connections", "get tcp info", "get tcp stats", "exit", "set remote permission"),
)
def _run_tcp_server(context: Context, call: Call) -> Result:
    given = call.options
    ip = given["internal_ip"] or given["external_ip"]
    port = given["internal_port"] if given["internal_port"] is not None else given["external_port"]
    if ip is None:
        raise MissingOption("no address to listen on", hint="add: external_ip = …")
    if port is None:
        raise MissingOption("no port to listen on", hint="add: external_port = …")
    external_port = given["external_port"]
    options = TcpOptions(
        external=Endpoint(
            given["external_ip"] or ip, port if external_port is None else external_port
        ),
        internal=Endpoint(ip, port),
        bind=given["bind"],
        threads=given["threads"],
    )
    messages = PeerMessages(context.node, context.interpreter)
    service = TcpService(options, messages)
    context.node.services.start(service)
    messages.answer_natively(service)
    context.node.variables.set("anylog_server_port", str(service.options.external.port))
    context.node.variables.set("ip", service.options.internal.host)
    context.node.variables.set("external_ip", service.options.external.host)
    text = f"TCP server listens on {service.bound}"
    return Result({"bind": str(service.bound)}, text)
