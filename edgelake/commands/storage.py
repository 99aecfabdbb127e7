"""Work directories, databases and tables."""

from __future__ import annotations

from edgelake.commands.context import LEDGER_DATABASE, Context
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import MissingOption, WrongValue
from edgelake.interfaces import Permission, Result, Table
from edgelake.language import (
    Argument,
    Boolean,
    Call,
    CommandSet,
    Host,
    Name,
    OneOf,
    Option,
    Port,
    Text,
    Where,
)
from edgelake.services.synchronizer import Synchronizer
from edgelake.storage import LedgerTable, Server

__all__ = ["commands"]

commands = CommandSet(group="storage", topics=("databases",))


@commands.command(
    "create work directories",
    summary="make the folders of the node below its home",
    permission=Permission.ADMIN,
    details="Folders that exist are kept.",
    examples=("create work directories",),
    related=("get dictionary",),
)
def _create_work_directories(context: Context, call: Call) -> Result:
    context.node.home.create_work_directories()
    return Result()


_KIND = OneOf("sqlite", "psql", elsewhere=("mongo", "pi", "bucket"))


@commands.command(
    "connect dbms",
    summary="connect a database under a name",
    arguments=(Argument("name", Name(), help="logical name"),),
    where=Where.REQUIRED,
    options=(
        Option("type", _KIND, required=True, help="kind of database"),
        Option("ip", Host(), default="127.0.0.1", help="where the server of a psql database is"),
        Option("port", Port(), default=5432, help="where it listens"),
        Option("user", Text(), help="who asks; required for psql"),
        Option("password", Text(empty=True), secret=True, help="of that user"),
        Option("memory", Boolean(), default=False, help="keep it in memory only (sqlite)"),
        Option("autocommit", Boolean(), default=True, help="accepted; every change is durable"),
        Option("unlog", Boolean(), default=False, help="accepted; every change is durable"),
    ),
    elsewhere=(
        *("connection", "provider", "network_id"),
        *("access_key", "secret_key", "region", "endpoint"),
    ),
    permission=Permission.ADMIN,
    details=(
        "SQLite keeps the database in !dbms_dir/<name>.dbms, in WAL mode with full\n"
        "synchronisation. PostgreSQL (psql) needs the extra edgelake[postgres] and a user who\n"
        "may connect; the database is made if it is missing and the user may. Only psql\n"
        "regards ip, port, user and password. The name 'blockchain' holds the ledger.\n"
        "Repeating a connection changes nothing."
    ),
    examples=(
        "connect dbms blockchain where type = sqlite",
        "connect dbms blockchain where type = psql and ip = 10.0.0.5 and port = 5432"
        " and user = edgelake and password = demo",
    ),
    related=("disconnect dbms", "get databases", "create table"),
)
def _connect_dbms(context: Context, call: Call) -> Result:
    name = call.arguments["name"]
    kind = call.options["type"]
    server = _server(call) if kind == "psql" else None
    context.node.databases.connect(name, kind, memory=call.options["memory"], server=server)
    _wake_synchronizer(context, name)
    text = f"Database {name} using {kind} connected!"
    return Result({"database": name, "type": kind}, text)


def _server(call: Call) -> Server:
    """Return the server that the options name."""
    options = call.options
    if options["memory"]:
        raise WrongValue("a psql database cannot be kept in memory", hint="leave memory out")
    if options["user"] is None:
        raise MissingOption("option 'user' is required for type = psql", hint="add: user = <text>")
    return Server(options["ip"], options["port"], options["user"], options["password"])


@commands.command(
    "disconnect dbms",
    summary="close the connection to a database",
    arguments=(Argument("name", Name(), help="logical name"),),
    permission=Permission.ADMIN,
    examples=("disconnect dbms blockchain",),
    related=("connect dbms", "get databases"),
)
def _disconnect_dbms(context: Context, call: Call) -> Result:
    name = call.arguments["name"]
    context.node.databases.disconnect(name)
    text = f"Disconnected from database '{name}'"
    return Result({"database": name}, text)


@commands.command(
    "get databases",
    summary="list the connected databases",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get databases", "get databases where format = json"),
    related=("connect dbms",),
)
def _get_databases(context: Context, call: Call) -> Result:
    found = context.node.databases.describe()
    data = {
        entry.name: {
            "dbms_type": entry.kind,
            "ip_port": entry.address,
            "storage": entry.storage,
            "state": entry.state,
        }
        for entry in found
    }
    if not found:
        return answer(data, "No DBMS connections found", call.options)
    columns = ("Logical DBMS", "Database Type", "IP:Port", "Storage", "State")
    rows = [(e.name, e.kind, e.address, e.storage, e.state) for e in found]
    return answer(data, Table(columns, rows), call.options)


@commands.command(
    "create table",
    summary="create a table that the node itself uses",
    arguments=(Argument("table", Name(), help="ledger"),),
    where=Where.REQUIRED,
    options=(Option("dbms", Name(), required=True, help="a connected database"),),
    permission=Permission.ADMIN,
    details="A table that exists is kept.",
    examples=("create table ledger where dbms = blockchain",),
    related=("connect dbms", "run blockchain sync"),
)
def _create_table(context: Context, call: Call) -> Result:
    table, dbms = call.arguments["table"], call.options["dbms"]
    if table != "ledger":
        raise WrongValue(
            f"no table '{table}' is predefined",
            hint="write: create table ledger where dbms = blockchain",
            column=call.column("table"),
        )
    if dbms != LEDGER_DATABASE:
        raise WrongValue(
            f"the ledger lies in the database '{LEDGER_DATABASE}', not in '{dbms}'",
            hint=f"write dbms = {LEDGER_DATABASE}",
        )
    LedgerTable(context.node.databases.get(dbms)).create()
    _wake_synchronizer(context, dbms)
    return Result()


def _wake_synchronizer(context: Context, dbms: str) -> None:
    """Let a synchronizer that waits for the ledger's database try again at once."""
    sync = context.node.services.find(Synchronizer)
    if dbms == LEDGER_DATABASE and sync is not None:
        sync.trigger()
