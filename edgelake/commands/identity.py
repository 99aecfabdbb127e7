"""What the node, its machine and its program are called."""

from __future__ import annotations

import platform
import socket

from edgelake import __version__, limits
from edgelake.commands.context import Context
from edgelake.commands.incoming import PeerMessages
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import WrongValue
from edgelake.interfaces import Permission, Result
from edgelake.language import Argument, Call, CommandSet, Text, Where, shortened
from edgelake.services.tcp import TcpService

__all__ = ["commands"]

commands = CommandSet(group="node")


class NodeName(Text):
    """A name that fits into a line; an empty one stands for the name at the start."""

    metavar = "<name>"

    def __init__(self) -> None:
        super().__init__(empty=True)

    def parse(self, text: str) -> str:
        """Return the name."""
        if not text.isprintable() or "@" in text:
            raise WrongValue(
                f"'{shortened(text)}' is not the name of a node",
                hint="write one line without @",
            )
        if len(text) > limits.MAX_NODE_NAME_CHARS:
            raise WrongValue(
                f"a name of {len(text)} characters exceeds {limits.MAX_NODE_NAME_CHARS}",
                hint="write a shorter one",
            )
        return text.strip()

    def describe(self) -> str:
        """Return what is accepted."""
        return f'at most {limits.MAX_NODE_NAME_CHARS} characters, with blanks in quotes; or ""'


@commands.command(
    "set node name",
    summary="give the node a name",
    arguments=(
        Argument("name", NodeName(), help='the name; quote one with blanks; "" removes it'),
    ),
    permission=Permission.ADMIN,
    details="The name is kept until the node ends; set it in the script that starts the node.",
    examples=("set node name fen-01", 'set node name "fen 02"', 'set node name ""'),
    related=("get node name", "get status"),
)
def _set_node_name(context: Context, call: Call) -> Result:
    node = context.node
    node.name = call.arguments["name"] or node.default_name
    tcp = node.services.find(TcpService)
    if tcp is not None:
        PeerMessages(node, context.interpreter).answer_natively(tcp)
    return Result()


@commands.command(
    "get node name",
    summary="show the name of the node and its address",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get node name", "get node name where format = json"),
    related=("set node name", "get hostname", "get status"),
)
def _get_node_name(context: Context, call: Call) -> Result:
    name = context.node.display_name()
    data = {"node_name": name} if call.options["format"] == "json" else name
    return answer(data, name, call.options)


@commands.command(
    "get hostname",
    summary="show the name of this machine",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get hostname",),
    related=("get node name",),
)
def _get_hostname(context: Context, call: Call) -> Result:
    name = socket.gethostname()
    data = {"hostname": name} if call.options["format"] == "json" else name
    return answer(data, name, call.options)


@commands.command(
    "get version",
    summary="show the version of the program",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get version", "get version where format = json"),
    related=("get status", "get hostname"),
)
def _get_version(context: Context, call: Call) -> Result:
    data = {"version": __version__, "python": platform.python_version()}
    return answer(data, f"edgelake {__version__}", call.options)
