"""PostgreSQL underneath: connections, faults, transactions, and who else writes there."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator

import psycopg
import pytest

from edgelake import Node, limits
from edgelake.errors import (
    DatabaseError,
    DatabaseTypeWrong,
    DatabaseUnreachable,
    EdgeLakeError,
    MissingOption,
    TableMissing,
    WrongValue,
)
from edgelake.interfaces import PolicyRow
from edgelake.storage import Databases, LedgerTable, PostgresDatabase, Server
from tests.postgres import PASSWORD, USER, PostgresServer
from tests.waiting import eventually

HOST = "192.0.2.2"
NAME = "blockchain"


def row(policy_id, text="{}", date="2026-01-01T00:00:00.000000Z", company="acme"):
    return PolicyRow("device", policy_id, date, text, company, "active")


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[PostgresDatabase]:
    found = PostgresDatabase(NAME, postgres.server())
    yield found
    found.close()
    postgres.drop(NAME)


@pytest.fixture
def table(database: PostgresDatabase) -> LedgerTable:
    found = LedgerTable(database)
    found.create()
    return found


@pytest.fixture
def other(postgres: PostgresServer, database) -> Iterator[psycopg.Connection]:
    """Return a connection as somebody else has it, who does not know of this package."""
    with postgres.connect(NAME) as link:
        yield link


@pytest.fixture
def node(tmp_path, postgres: PostgresServer) -> Iterator[Node]:
    with Node(tmp_path / "node") as node:
        yield node
    postgres.drop(NAME)


class TestConnecting:
    def test_commands(self, node, postgres):
        command = f"connect dbms {NAME} where {postgres.where}"
        assert node.run(command).text == "Database blockchain using psql connected!"
        node.run(command + " and autocommit = false and unlog = true and memory = false")
        node.run("create table ledger where dbms = blockchain")
        node.run("create table ledger where dbms = blockchain")
        node.run('blockchain push {"device": {"name": "d1"}}')
        entry = node.run("get databases where format = json").data[NAME]
        assert entry["dbms_type"] == "psql"
        assert entry["ip_port"] == f"127.0.0.1:{postgres.port}"
        assert entry["storage"].startswith("PostgreSQL ")
        assert entry["state"] == "connected"
        with postgres.connect(NAME) as link:
            assert link.execute("SELECT count(*) FROM ledger").fetchall() == [(1,)]
        node.run(f"disconnect dbms {NAME}")
        assert node.run("get databases").text == "No DBMS connections found"

    def test_a_name_is_connected_in_one_way(self, node, postgres):
        node.run(f"connect dbms {NAME} where {postgres.where}")
        for where in (
            "type = sqlite",
            postgres.where.replace(USER, "somebody"),
            postgres.where.replace(PASSWORD, "wrong"),
        ):
            with pytest.raises(DatabaseTypeWrong, match="connected already, as psql of user"):
                node.run(f"connect dbms {NAME} where {where}")
        node.run("connect dbms x where type = sqlite and memory = true")
        with pytest.raises(DatabaseTypeWrong, match="connected already, as MEMORY"):
            node.run(f"connect dbms x where {postgres.where}")
        postgres.drop("x")

    def test_options(self, node):
        with pytest.raises(MissingOption, match="'user' is required"):
            node.run("connect dbms x where type = psql and ip = 127.0.0.1")
        with pytest.raises(WrongValue, match="in memory"):
            node.run("connect dbms x where type = psql and user = u and memory = true")

    @pytest.mark.parametrize(
        ("user", "password", "text"),
        [
            ("u\0", "p", "the user holds a NUL"),
            ("u", "p\0secret", "the password holds a NUL"),
            ("u", "\ud800", "half a surrogate pair"),
            ("ü" * 32, "p", "exceeds 63 bytes"),
        ],
    )
    def test_what_the_protocol_cannot_carry(self, user, password, text):
        with pytest.raises(WrongValue, match=text) as caught:
            Server("127.0.0.1", 5432, user, password)
        assert "secret" not in str(caught.value)

    def test_options_in_a_name_are_no_options(self, postgres):
        for user in ("u host=192.0.2.1", "' password='x", "ü\\", "x" * 63):
            with pytest.raises(DatabaseUnreachable, match="authentication failed") as caught:
                PostgresDatabase(NAME, postgres.server(user))
            assert f"as user '{user}'" in str(caught.value)

    def test_a_password_is_nowhere(self, node, postgres):
        wrong = "wr0ng'sesame\\zz"
        command = f"connect dbms {NAME} where {postgres.where}".replace(PASSWORD, wrong)
        with pytest.raises(DatabaseUnreachable) as caught:
            node.run(command)
        assert str(caught.value) == (
            f"database 'blockchain': 127.0.0.1:{postgres.port} as user '{USER}':"
            f' password authentication failed for user "{USER}"'
        )
        node.run(f"connect dbms {NAME} where {postgres.where}")
        texts = [
            *(repr(error) for error in _chain(caught.value)),
            node.shown(command),
            repr(node._parts.databases.get(NAME).server),
            *(
                node.run(f"get {what}").text
                for what in ("databases", "error log", "event log", "dictionary")
            ),
        ]
        for text in texts:
            assert wrong not in text
            assert PASSWORD not in text
            assert "zz9" not in text
            assert "sesame" not in text

    def test_nobody_listens(self, node):
        with pytest.raises(DatabaseUnreachable, match="connection refused") as caught:
            node.run("connect dbms x where type = psql and port = 9 and user = u and password = p")
        assert "\n" not in str(caught.value)
        assert node.run("get databases").text == "No DBMS connections found"

    def test_somebody_else_listens(self, node, monkeypatch):
        import socket

        monkeypatch.setattr(limits, "POSTGRES_CONNECT_TIMEOUT_S", 2)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            with pytest.raises(DatabaseUnreachable, match="timeout"):
                node.run(f"connect dbms x where type = psql and port = {port} and user = u")

    def test_without_the_library(self, node, monkeypatch):
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(DatabaseError, match="psycopg, which is not installed") as caught:
            node.run("connect dbms x where type = psql and user = u")
        assert caught.value.hint == "pip install 'edgelake[postgres]'"

    def test_who_may_not_make_a_database_hears_so(self, postgres):
        with postgres.connect("postgres") as link:
            link.execute("CREATE ROLE narrow LOGIN PASSWORD 'narrow'")
        try:
            narrow = Server("127.0.0.1", postgres.port, "narrow", "narrow")
            with pytest.raises(DatabaseError, match="permission denied to create database"):
                PostgresDatabase("x", narrow)
        finally:
            with postgres.connect("postgres") as link:
                link.execute("DROP ROLE narrow")

    def test_names_are_names(self, postgres):
        for name in ("Plant-1", "select", "x" * 63):
            made = PostgresDatabase(name, postgres.server())
            try:
                assert made.query("SELECT current_database()") == [(name,)]
            finally:
                made.close()
                postgres.drop(name)

    def test_two_that_connect_at_once_have_one_connection(self, tmp_path, postgres):
        databases = Databases(tmp_path)
        start = threading.Barrier(4)
        found: list[object] = []

        def connect():
            start.wait()
            found.append(databases.connect(NAME, "psql", server=postgres.server()))

        threads = [threading.Thread(target=connect) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        assert len(set(map(id, found))) == 1
        with postgres.connect("postgres") as link:
            eventually(lambda: _connections(link) == 1, "the others closed")
        databases.close()
        with pytest.raises(DatabaseError, match="the node ends"):
            databases.connect(NAME, "psql", server=postgres.server())
        postgres.drop(NAME)


class TestTable:
    def test_it_is_that_of_the_network(self, table, other):
        table.create()
        columns = other.execute(
            "SELECT column_name, data_type, is_nullable, column_default"
            " FROM information_schema.columns WHERE table_name = 'ledger' ORDER BY ordinal_position"
        ).fetchall()
        assert columns == [
            ("sequence_id", "integer", "NO", "nextval('ledger_sequence_id_seq'::regclass)"),
            ("policy_type", "character varying", "NO", None),
            ("policy_id", "character varying", "NO", None),
            ("company_name", "character varying", "YES", None),
            ("date", "timestamp without time zone", "NO", "now()"),
            ("host", "character varying", "NO", None),
            ("status", "character varying", "YES", None),
            ("policy", "character varying", "YES", None),
        ]
        indexes = other.execute(
            "SELECT indexname, replace(indexdef, ' ON public.ledger USING btree', '')"
            " FROM pg_indexes WHERE tablename = 'ledger' ORDER BY 1"
        ).fetchall()
        assert indexes == [
            (
                "hash_index",
                "CREATE UNIQUE INDEX hash_index (policy_id)",
            ),
            (
                "ledger_pkey",
                "CREATE UNIQUE INDEX ledger_pkey (sequence_id)",
            ),
            ("time_index", "CREATE INDEX time_index (date)"),
        ]

    @pytest.mark.parametrize(
        ("text", "stored"),
        [
            ("2026-01-01T00:00:00.123456Z", "2026-01-01 00:00:00.123456"),
            ("2026-01-01T02:00:00+02:00", "2026-01-01 00:00:00"),
            ("20260101", "2026-01-01 00:00:00"),
            ("2026-03", "2026-03-01 00:00:00"),
            ("", "infinity"),
            ("'); DROP TABLE ledger; --", "infinity"),
            ("2026-99-99", "infinity"),
            ("0001-01-01T00:00:00+23:00", "infinity"),
        ],
    )
    def test_dates(self, table, other, text, stored):
        table.insert(row("a", date=text), HOST)
        table.replace_all([row("a", date=text, company="other")], HOST)
        assert other.execute("SELECT date::text FROM ledger").fetchall() == [(stored,)]

    @pytest.mark.parametrize("text", ["a\0b", "\uffff", "\uffff0", "\0\uffff\uffff0\0", "\uffff\0"])
    def test_characters_that_the_server_has_not(self, table, database, text):
        same = "x" if text != "a\0b" else "y"
        for policy_id in (text, same):
            table.insert(row(policy_id, text, company=text), HOST)
        assert table.read() == [text, text]
        assert database.query("SELECT policy_id FROM ledger WHERE company_name = ?", (text,)) == [
            (text,),
            (same,),
        ]
        table.delete([text])
        assert table.read() == [text]

    def test_an_id_that_no_index_holds_is_an_error_and_harms_nothing(self, table):
        digits = "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(100))
        with pytest.raises(DatabaseError, match="index row size") as caught:
            table.insert(row(digits), HOST)
        assert len(str(caught.value)) < 200
        assert table.insert(row(digits[:2000]), HOST)

    def test_a_missing_table_is_named_with_what_to_write(self, database):
        table = LedgerTable(database)
        assert not table.exists()
        assert table.version() is not None
        for attempt in (
            table.require,
            table.read,
            lambda: table.insert(row("a"), HOST),
            lambda: table.delete(["a"]),
            lambda: table.replace_all([], HOST),
        ):
            with pytest.raises(TableMissing, match="'blockchain' has no table 'ledger'") as caught:
                attempt()
            assert caught.value.hint == "create table ledger where dbms = blockchain"

    def test_errors_show_neither_statement_nor_value(self, table, database):
        secret = "s3cret-value"
        table.insert(row(secret), HOST)
        with pytest.raises(DatabaseError) as caught:
            database.execute(
                "INSERT INTO ledger (policy_type, policy_id, host) VALUES (?, ?, ?)",
                ("t", secret, "h"),
            )
        assert secret not in str(caught.value)
        assert "INSERT" not in str(caught.value)
        with pytest.raises(DatabaseError, match="surrogate"):
            database.query("SELECT ?::text", ("\ud800",))
        assert database.query("SELECT '?%s', ?::text LIKE 'a%'", ("abc",)) == [("?%s", True)]


class TestTransactions:
    def change_and_err(self, database):
        with database.transaction():
            database.execute("DELETE FROM ledger")
            database.execute("no statement")

    def test_whole_or_nothing(self, table, database):
        def change_and_fail():
            with database.transaction():
                database.execute("DELETE FROM ledger")
                raise KeyError

        table.insert(row("a"), HOST)
        with pytest.raises(KeyError):
            change_and_fail()
        assert table.read() == ["{}"]
        with (
            pytest.raises(DatabaseError, match="cannot be nested"),
            database.transaction(),
            database.transaction(),
        ):
            pass
        with pytest.raises(DatabaseError, match="syntax error"):
            self.change_and_err(database)
        assert table.read() == ["{}"]

    def test_numbers_without_gaps_over_processes(self, postgres, database):
        """What a log needs: a number read and written inside the transaction is nobody else's."""
        database.execute("CREATE TABLE log (n bigint primary key, who integer)")
        seconds = [PostgresDatabase(NAME, postgres.server()) for _ in range(2)]
        failures: list[BaseException] = []

        def work(one: PostgresDatabase, who: int) -> None:
            try:
                for _ in range(25):
                    with one.transaction():
                        one.query(
                            "INSERT INTO log SELECT coalesce(max(n), 0) + 1, ? FROM log"
                            " RETURNING n",
                            (who,),
                        )
            except BaseException as exc:
                failures.append(exc)

        threads = [
            threading.Thread(target=work, args=(one, number))
            for number, one in enumerate([*seconds, *seconds])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in seconds:
            one.close()
        assert failures == []
        assert database.query("SELECT count(*), max(n) FROM log") == [(100, 100)]

    def test_readers_need_not_wait_for_a_transaction(self, table, database):
        seen: list[list[str]] = []
        reader = threading.Thread(target=lambda: seen.append(table.read()))
        with database.transaction():
            database.execute("DELETE FROM ledger")
            reader.start()
            reader.join(5)
        assert seen == [[]]

    def test_a_lock_of_somebody_else_ends_in_an_error(self, table, other, monkeypatch, postgres):
        monkeypatch.setattr(limits, "POSTGRES_LOCK_TIMEOUT_S", 0.1)
        hasty = PostgresDatabase(NAME, postgres.server())
        impatient = LedgerTable(hasty)
        with other.transaction():
            other.execute("LOCK TABLE ledger IN EXCLUSIVE MODE")
            for change in (
                lambda: impatient.insert(row("a"), HOST),
                lambda: impatient.replace_all([row("a")], HOST),
            ):
                with pytest.raises(DatabaseError, match=r"locked by another process .* 0\.1 s"):
                    change()
            assert impatient.read() == []
        assert impatient.insert(row("a"), HOST)
        hasty.close()

    def test_a_transaction_of_another_thread_ends_in_an_error(self, database, monkeypatch):
        monkeypatch.setattr(limits, "POSTGRES_LOCK_TIMEOUT_S", 0.1)
        heard: list[str] = []

        def change():
            try:
                database.execute("CREATE TABLE t (n integer)")
            except DatabaseError as exc:
                heard.append(str(exc))

        with database.transaction():
            thread = threading.Thread(target=change)
            thread.start()
            thread.join()
        assert heard == ["database 'blockchain': locked by another command for more than 0.1 s"]


class TestVersion:
    def test_inside_a_transaction_it_is_what_it_is_behind_it(self, table, database, other):
        """Whoever reads and writes inside a transaction knows the content that goes with it."""
        with database.transaction():
            table._database.execute(
                "INSERT INTO ledger (policy_type, policy_id, date, host, policy)"
                " VALUES ('t', 'a', ?, 'h', '{}')",
                (database.timestamp("no date"),),
            )
            ((date, number),) = database.query("SELECT date, sequence_id FROM ledger")
            assert database.query(
                "SELECT policy_id FROM ledger WHERE date = ? AND date <= ? AND sequence_id = ?",
                (date, date, number),
            ) == [("a",)]
            inside = table.version()
        assert table.version() == inside

        heard = threading.Event()

        def write():
            other.execute(
                "INSERT INTO ledger (policy_type, policy_id, host) VALUES ('t', 'b', 'h')"
            )
            heard.set()

        writer = threading.Thread(target=write)
        with database.transaction():
            seen = table.read()
            writer.start()
            eventually(lambda: _waiting(database) == 1, "the other writer waits")
            assert table.read() == seen
            assert table.version() == inside
            assert not heard.is_set()
        writer.join()
        assert table.version() != inside

    def test_changes_of_others_are_noticed(self, table, other):
        table.insert(row("a"), HOST)
        seen = [table.version()]

        def check(statement: str, changes: bool) -> None:
            other.execute(statement)
            version = table.version()
            assert (version not in seen) is changes, statement
            seen.append(version)

        insert = "INSERT INTO ledger (policy_type, policy_id, host) VALUES ('t', '{}', 'h')"
        check(insert.format("b"), True)
        check("SELECT * FROM ledger", False)
        check("UPDATE ledger SET status = 'x' WHERE policy_id = 'b'", True)
        check("UPDATE ledger SET status = 'x' WHERE policy_id = 'nosuch'", False)
        check("CREATE TABLE busy AS SELECT generate_series(1, 1000) AS n", False)
        check("DELETE FROM ledger WHERE policy_id = 'b'", True)
        check("DELETE FROM ledger WHERE policy_id = 'b'", False)
        check(insert.format("c"), True)
        check("TRUNCATE ledger", True)
        check("DROP TABLE ledger", True)
        table.create()
        assert table.version() not in seen
        other.execute("DROP TABLE edgelake_changes")
        with pytest.raises(DatabaseError, match="edgelake_changes"):
            table.version()
        # Without it nobody can write; that is told, and made good by making it again.
        with pytest.raises(DatabaseError, match="edgelake_changes"):
            table.insert(row("a"), HOST)
        table.create()
        assert table.insert(row("a"), HOST)
        seen.append(table.version())
        check("DELETE FROM ledger", True)

    def test_what_is_not_yet_stored_is_not_noticed_and_then_is(self, table, other):
        before = table.version()
        with other.transaction():
            other.execute(
                "INSERT INTO ledger (policy_type, policy_id, host) VALUES ('t', 'b', 'h')"
            )
            assert table.version() == before
        assert table.version() != before
        before = table.version()
        with other.transaction(force_rollback=True):
            other.execute("DELETE FROM ledger")
        assert table.version() == before

    def test_a_table_of_an_existing_node(self, database, other, postgres):
        """It was made by another user: nothing is added to it, and changes are noticed."""
        other.execute("CREATE ROLE elder LOGIN PASSWORD 'elder'")
        other.execute(
            "CREATE TABLE ledger (sequence_id serial primary key, policy_type varchar not null,"
            " policy_id varchar not null, company_name varchar,"
            " date timestamp not null default now(), host varchar not null, status varchar,"
            " policy varchar)"
        )
        other.execute("CREATE UNIQUE INDEX hash_index ON ledger (policy_id)")
        other.execute("CREATE INDEX time_index ON ledger (date)")
        other.execute("GRANT ALL ON ledger, ledger_sequence_id_seq TO elder")
        guest = PostgresDatabase(NAME, Server("127.0.0.1", postgres.port, "elder", "elder"))
        try:
            table = LedgerTable(guest)
            table.create()
            assert other.execute("SELECT count(*) FROM pg_trigger").fetchall() == [(0,)]
            seen = [table.version()]
            assert table.version() == seen[0]
            assert table.insert(row("a", "mine"), HOST)
            assert table.version() not in seen
            seen.append(table.version())
            other.execute("UPDATE ledger SET policy = 'theirs'")
            assert table.version() not in seen
            assert table.read() == ["theirs"]
            # The owner's own door adds what makes that cheap; others keep writing as before.
            LedgerTable(database).create()
            seen.append(table.version())
            with psycopg.connect(
                host="127.0.0.1", port=postgres.port, user="elder", password="elder", dbname=NAME
            ) as link:
                link.execute("DELETE FROM ledger")
            for one in (table, LedgerTable(database)):
                assert one.version() not in seen
        finally:
            guest.close()
            other.execute("DROP OWNED BY elder")
            other.execute("DROP ROLE elder")


class TestFaults:
    def test_a_server_that_was_restarted_meanwhile_goes_unnoticed(self, table, postgres):
        table.insert(row("a", "a"), HOST)
        seen = [table.version()]
        for end in (postgres.stop, postgres.crash):
            end()
            postgres.start()
            assert table.insert(row(end.__name__, end.__name__), HOST)
            assert table.version() not in seen
            seen.append(table.version())
        assert sorted(table.read()) == ["a", "crash", "stop"]

    def test_a_connection_that_is_ended_in_the_middle(self, table, database, other):
        pid = database.query("SELECT pg_backend_pid()")[0][0]
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
        assert table.read() == []

        def change():
            with database.transaction():
                database.execute("DELETE FROM ledger")
                mine = database.query("SELECT pg_backend_pid()")[0][0]
                other.execute("SELECT pg_terminate_backend(%s)", (mine,))
                database.execute("DELETE FROM ledger")

        table.insert(row("a"), HOST)
        with pytest.raises(DatabaseUnreachable, match=r"connection to .* lost: terminating"):
            change()
        assert table.read() == ["{}"]
        assert table.insert(row("b"), HOST)

    def test_a_change_whose_end_is_not_heard_of_says_so(self, table, database, other):
        def change():
            with database.transaction():
                database.execute("DELETE FROM ledger")
                mine = database.query("SELECT pg_backend_pid()")[0][0]
                other.execute("SELECT pg_terminate_backend(%s)", (mine,))

        with pytest.raises(DatabaseUnreachable, match="whether the change was stored is not known"):
            change()

    def test_a_server_that_is_away(self, node, postgres):
        node.run(f"connect dbms {NAME} where {postgres.where}")
        node.run("create table ledger where dbms = blockchain")
        node.run("connect dbms x where type = sqlite and memory = true")
        postgres.stop()
        try:
            with pytest.raises(DatabaseUnreachable, match=r"connection .*(refused|lost)"):
                node.run('blockchain push {"device": {"name": "d1"}}')
            with pytest.raises(DatabaseUnreachable, match="connection refused"):
                node.run('blockchain push {"device": {"name": "d1"}}')
            state = node.run("get databases where format = json").data
            assert "connection refused" in state[NAME]["state"]
            assert state["x"]["state"] == "connected"
        finally:
            postgres.start()

        def stored() -> bool:
            try:
                node.run('blockchain push ignore {"device": {"name": "d1"}}')
            except DatabaseUnreachable:
                return False
            return True

        eventually(stored, "the server is found again")
        assert node.run("get databases where format = json").data[NAME]["state"] == "connected"

    def test_a_statement_that_takes_too_long(self, postgres, database, monkeypatch):
        monkeypatch.setattr(limits, "POSTGRES_STATEMENT_TIMEOUT_S", 0.2)
        hasty = PostgresDatabase(NAME, postgres.server())
        with pytest.raises(DatabaseError, match=r"not done within 0\.2 s"):
            hasty.query("SELECT pg_sleep(60)")
        with pytest.raises(DatabaseError, match="not done within"), hasty.transaction():
            hasty.query("SELECT pg_sleep(60)")
        assert hasty.query("SELECT 1") == [(1,)]
        hasty.close()

    def test_a_server_that_hangs(self, postgres, table, database, monkeypatch):
        monkeypatch.setattr(limits, "POSTGRES_SILENCE_S", 0.5)
        with postgres.frozen(NAME):
            with pytest.raises(DatabaseUnreachable, match=r"no answer for 0\.5 s"):
                table.read()
            assert "no answer" in database.state
        eventually(lambda: _reads(table), "the server answers again")
        assert database.state == "connected"

    def test_nobody_waits_for_a_server_that_hangs(self, postgres, tmp_path, monkeypatch):
        monkeypatch.setattr(limits, "POSTGRES_CLOSE_WAIT_S", 0.2)
        monkeypatch.setattr(limits, "POSTGRES_SILENCE_S", 3600)
        databases = Databases(tmp_path)
        stuck = databases.connect(NAME, "psql", server=postgres.server())
        heard: list[str] = []

        def ask():
            try:
                stuck.query("SELECT 1")
            except DatabaseError as exc:
                heard.append(str(exc))

        with postgres.frozen(NAME):
            thread = threading.Thread(target=ask)
            thread.start()
            lite = databases.connect("lite", "sqlite", memory=True)
            assert lite.query("SELECT 1") == [(1,)]
            assert [entry.name for entry in databases.describe()] == [NAME, "lite"]
            databases.close()
            thread.join(10)
            assert not thread.is_alive()
        assert len(heard) == 1
        assert "closed" in heard[0] or "ended from this side" in heard[0]
        postgres.drop(NAME)

    def test_connections_are_few(self, postgres, database, other, monkeypatch):
        monkeypatch.setattr(limits, "POSTGRES_CONNECTIONS", 2)
        monkeypatch.setattr(limits, "POSTGRES_LOCK_TIMEOUT_S", 0.2)
        release = threading.Event()
        started = threading.Barrier(3)

        def hold():
            with database._links.lent():
                started.wait()
                release.wait(30)

        threads = [threading.Thread(target=hold) for _ in range(2)]
        for thread in threads:
            thread.start()
        started.wait()
        with pytest.raises(DatabaseError, match=r"all 2 connections were busy for 0\.2 s"):
            database.query("SELECT 1")
        release.set()
        for thread in threads:
            thread.join()
        assert database.query("SELECT 1") == [(1,)]
        assert _connections(other) <= 3

    def test_a_killed_writer_leaves_whole_changes(self, table, database, postgres):
        script = (
            "import sys\n"
            "from edgelake.interfaces import PolicyRow\n"
            "from edgelake.storage import LedgerTable, PostgresDatabase, Server\n"
            "password = sys.stdin.readline()[:-1]\n"
            "server = Server('127.0.0.1', int(sys.argv[1]), sys.argv[2], password)\n"
            "table = LedgerTable(PostgresDatabase('blockchain', server))\n"
            "number = 0\n"
            "while True:\n"
            "    number += 1\n"
            "    rows = [PolicyRow('d', f'{n}', '2026', f'{number}') for n in range(50)]\n"
            "    table.replace_all(rows, 'h')\n"
            "    print(number, flush=True)\n"
        )
        for count in (1, 7):
            with subprocess.Popen(
                [sys.executable, "-c", script, str(postgres.port), USER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as writer:
                assert writer.stdin is not None
                assert writer.stdout is not None
                writer.stdin.write(PASSWORD + "\n")
                writer.stdin.flush()
                reported = [int(writer.stdout.readline()) for _ in range(count)][-1]
                writer.kill()
            found = table.read()
            assert len(found) == 50
            assert len(set(found)) == 1
            assert int(found[0]) >= reported


# ------------------------------------------------------------------- parts


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _connections(link: psycopg.Connection) -> int:
    ((count,),) = link.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        (NAME,),
    ).fetchall()
    return count


def _waiting(database: PostgresDatabase) -> int:
    """Return how many wait for a lock."""
    found = database.query("SELECT count(*) FROM pg_locks WHERE NOT granted")
    return int(found[0][0])


def _reads(table: LedgerTable) -> bool:
    try:
        table.read()
    except EdgeLakeError:
        return False
    return True
