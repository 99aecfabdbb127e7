"""The REST server: ``run rest server``, and what it tells about itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from edgelake import limits
from edgelake.commands.context import Context, NodeParts
from edgelake.commands.rendering import FORMAT, answer
from edgelake.commands.rest_tables import calls_table, info_table, pool_line, pool_table
from edgelake.commands.sites import Site
from edgelake.errors import ConfigurationError, MissingOption, WrongValue
from edgelake.interfaces import Permission, Result
from edgelake.language import (
    Argument,
    Boolean,
    Call,
    CommandSet,
    Duration,
    Host,
    Integer,
    Option,
    Port,
    Text,
    Where,
)
from edgelake.services.rest import RestOptions, RestService, TlsFiles
from edgelake.wire import Endpoint

__all__ = ["commands"]

commands = CommandSet(group="rest", topics=("rest", "servers"))

_ABSENT = "The REST server is not running"


@commands.command(
    "run rest server",
    summary="serve commands, data and a console in the browser by HTTP",
    where=Where.REQUIRED,
    options=(
        Option("external_ip", Text(), help="address for callers outside the local network"),
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
            "timeout",
            Integer(0, int(limits.MAX_REST_TIMEOUT_S)),
            help="seconds to wait for replies of other nodes; 0: no limit; default 20",
        ),
        Option(
            "threads",
            Integer(1, limits.MAX_THREADS),
            default=limits.DEFAULT_REST_THREADS,
            help="how many commands run at a time",
        ),
        Option("ssl", Boolean(), default=False, help="HTTPS, and certificates of the callers"),
        Option(
            "rate",
            Integer(0, limits.MAX_REST_RATE),
            default=limits.DEFAULT_REST_RATE,
            help="calls a second of one address; 0: no limit",
        ),
        Option(
            "cors",
            Site(),
            repeatable=True,
            help="another site whose pages may call, such as http://10.0.0.9:3000",
        ),
        Option(
            "host",
            Host(),
            repeatable=True,
            help="a name by which callers know this node; addresses need not be named",
        ),
        Option("ca_org", Text(), help="with ssl: organisation of the authority's certificate"),
        Option("server_org", Text(), help="with ssl: organisation of the server's certificate"),
    ),
    permission=Permission.ADMIN,
    details=(
        "Needs edgelake[rest]. Returns when the server listens. With ssl = true the files are\n"
        "ca-<ca_org>-public-key.crt, server-<server_org>-public-key.crt and\n"
        "server-<server_org>-private-key.key in the folder !pem_dir. See docs/rest.md."
    ),
    examples=(
        "run rest server where external_ip = 10.0.0.7 and external_port = 32049"
        " and bind = false and timeout = 20 and threads = 5",
    ),
    related=("get rest server info", "get rest calls", "get rest pool", "set rest timeout", "exit"),
)
def _run_rest_server(context: Context, call: Call) -> Result:
    node = context.node
    given = call.options
    ip = given["internal_ip"] or given["external_ip"]
    port = given["internal_port"] if given["internal_port"] is not None else given["external_port"]
    if ip is None:
        raise MissingOption("no address to listen on", hint="add: external_ip = …")
    if port is None:
        raise MissingOption("no port to listen on", hint="add: external_port = …")
    external_port = given["external_port"]
    options = RestOptions(
        external=Endpoint(
            given["external_ip"] or ip, port if external_port is None else external_port
        ),
        internal=Endpoint(ip, port),
        bind=given["bind"],
        timeout_s=node.rest_timeout_s if given["timeout"] is None else float(given["timeout"]),
        threads=given["threads"],
        tls=_tls_files(node, call) if given["ssl"] else None,
        rate=given["rate"],
        sites=_few("cors", given["cors"]),
        hosts=_few("host", given["host"]),
    )
    # Whoever cannot be told from others must not be let in: a damaged file is found here.
    len(node.users)
    if node.web is None:
        raise ConfigurationError("this node has no web application")
    service = RestService(options, node.web)
    node.services.start(service)
    node.variables.set("anylog_rest_port", str(service.options.external.port))
    text = f"REST server listens on {service.bound}; console in the browser: {service.url}"
    return Result({"bind": str(service.bound), "url": service.url}, text)


@commands.command(
    "get rest server info",
    summary="show how the REST server is set",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get rest server info", "get rest server info where format = json"),
    related=("run rest server", "get rest calls"),
)
def _get_rest_server_info(context: Context, call: Call) -> Result:
    service = context.node.services.find(RestService)
    if service is None:
        return answer({"status": "not running"}, _ABSENT, call.options)
    options = service.options
    tls = options.tls
    anonymous = context.node.anonymous_level()
    data = {
        "status": "running",
        "url": service.url,
        "external": str(options.external),
        "internal": str(options.internal),
        "bind": str(service.bound),
        "ssl": tls is not None,
        "certificate": str(tls.certificate) if tls else None,
        "key": str(tls.key) if tls else None,
        "authority": str(tls.authority) if tls else None,
        "threads": options.threads,
        "timeout_s": options.timeout_s,
        "rate": options.rate,
        "cors": ", ".join(options.sites) or None,
        "hosts": ", ".join(options.hosts) or None,
        "users": len(context.node.users),
        "anonymous": anonymous.name.lower() if anonymous else "none",
        "uptime_s": round(service.uptime_s(), 1),
        **service.figures(),
    }
    return answer(data, info_table(data), call.options)


@commands.command(
    "get rest calls",
    summary="show who called by REST, how often, and what failed last",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    details=(
        "Callers are told apart by their header AnyLog-Agent, or else User-Agent, up to the\n"
        "first slash."
    ),
    examples=("get rest calls", "get rest calls where format = json"),
    related=("run rest server", "get rest server info"),
)
def _get_rest_calls(context: Context, call: Call) -> Result:
    service = context.node.services.find(RestService)
    if service is None:
        return answer([], _ABSENT, call.options)
    records = [record.data() for record in service.calls.records()]
    return answer(records, calls_table(records) if records else "Nobody has called", call.options)


@commands.command(
    "get rest pool",
    summary="show how busy the threads of the REST server are",
    where=Where.OPTIONAL,
    options=(
        FORMAT,
        Option("details", Boolean(), default=False, help="one row per thread"),
    ),
    permission=Permission.READ,
    details=(
        "In brackets 1 for each thread that is busy, in parentheses the calls that wait for one.\n"
        "JSON has all."
    ),
    examples=("get rest pool", "get rest pool where format = json"),
    related=("run rest server",),
)
def _get_rest_pool(context: Context, call: Call) -> Result:
    service = context.node.services.find(RestService)
    figures = service.figures() if service else {}
    threads = service.options.threads if service else 0
    data = {
        "threads": threads,
        **{key: figures.get(key, 0) for key in ("running", "waiting", "connections", "calls")},
        "details": [asdict(one) for one in service.calls.threads(threads)] if service else [],
    }
    if service is None:
        return answer(data, _ABSENT, call.options)
    return answer(
        data, pool_table(data) if call.options["details"] else pool_line(data), call.options
    )


@commands.command(
    "set rest timeout",
    summary="set how long REST callers wait for replies of other nodes",
    arguments=(
        Argument(
            "time", Duration(zero=True, bare=True), help="such as 30, or 2 minutes; 0: no limit"
        ),
    ),
    permission=Permission.ADMIN,
    details="For the server that runs, and for those that are started later without timeout.",
    examples=("set rest timeout 30", "set rest timeout 2 minutes"),
    related=("run rest server",),
)
def _set_rest_timeout(context: Context, call: Call) -> Result:
    node = context.node
    node.rest_timeout_s = float(call.arguments["time"])
    service = node.services.find(RestService)
    if service is not None:
        service.set_timeout(node.rest_timeout_s)
    return Result()


def _few(key: str, values: tuple[str, ...]) -> tuple[str, ...]:
    if len(values) > limits.MAX_REST_SITES:
        raise WrongValue(f"'{key}' is given more than {limits.MAX_REST_SITES} times")
    return values


def _tls_files(node: NodeParts, call: Call) -> TlsFiles:
    names = {}
    for key, whose in (("ca_org", "authority"), ("server_org", "server")):
        name = call.options[key]
        if name is None:
            raise MissingOption(
                f"no organisation of the {whose} named", hint=f"add: {key} = <name>"
            )
        if "/" in name or name.startswith("."):
            raise ConfigurationError(
                f"'{name}' is no name of an organisation", hint=f"write {key} = <name>"
            )
        names[key] = name
    folder = Path(node.variables.get("pem_dir") or node.home.root)
    server = f"server-{names['server_org']}"
    return TlsFiles(
        certificate=folder / f"{server}-public-key.crt",
        key=folder / f"{server}-private-key.key",
        authority=folder / f"ca-{names['ca_org']}-public-key.crt",
    )
