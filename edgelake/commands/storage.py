"""Work directories, databases and tables."""

from __future__ import annotations

from edgelake.commands.context import LEDGER_DATABASE, Context
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import WrongValue
from edgelake.interfaces import Permission, Result, Table
from edgelake.language import Argument, Boolean, Call, CommandSet, Name, OneOf, Option, Where
from edgelake.services.synchronizer import Synchronizer
from edgelake.storage import LedgerTable

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


_KIND = OneOf("sqlite", elsewhere=("psql", "mongo", "pi", "bucket"))


@commands.command(
    "connect dbms",
    summary="connect a database under a name",
    arguments=(Argument("name", Name(), help="logical name"),),
    where=Where.REQUIRED,
    options=(
        Option("type", _KIND, required=True, help="kind of database"),
        Option("memory", Boolean(), default=False, help="keep it in memory only"),
        Option("autocommit", Boolean(), default=True, help="accepted; every change is durable"),
    ),
    elsewhere=(
        *("user", "password", "ip", "port", "connection", "unlog", "provider", "network_id"),
        *("access_key", "secret_key", "region", "endpoint"),
    ),
    permission=Permission.ADMIN,
    details=(
        "SQLite keeps the database in !dbms_dir/<name>.dbms, in WAL mode with full\n"
        "synchronisation. The name 'blockchain' holds the ledger. Repeating a connection\n"
        "changes nothing."
    ),
    examples=("connect dbms blockchain where type = sqlite",),
    related=("disconnect dbms", "get databases", "create table"),
)
def _connect_dbms(context: Context, call: Call) -> Result:
    name = call.arguments["name"]
    kind = call.options["type"]
    context.node.databases.connect(name, kind, memory=call.options["memory"])
    _wake_synchronizer(context, name)
    text = f"Database {name} using {kind} connected!"
    return Result({"database": name, "type": kind}, text)


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
    data = {entry.name: {"dbms_type": entry.kind, "storage": entry.storage} for entry in found}
    if not found:
        return answer(data, "No DBMS connections found", call.options)
    rows = [(entry.name, entry.kind, entry.storage) for entry in found]
    return answer(data, Table(("Logical DBMS", "Database Type", "Storage"), rows), call.options)


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
