"""Secrets leave texts and errors, whatever the text is."""

from __future__ import annotations

import pytest

from edgelake import limits
from edgelake.errors import CommandError, EdgeLakeError, UndefinedVariable
from edgelake.language import (
    Variables,
    bind,
    conceal,
    format_error,
    is_secret_name,
    parse,
    redacted,
)
from tests.language.sample import REGISTRY
from tests.secretive import PASSWORD, secretive_registry

CONNECT = "connect dbms x where type = psql"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{CONNECT} and password = {PASSWORD}", f"{CONNECT} and password = ***"),
        (
            f"{CONNECT} and password = {PASSWORD} and port = 3",
            f"{CONNECT} and password = *** and port = 3",
        ),
        (f'{CONNECT} and password="{PASSWORD}"', f"{CONNECT} and password=***"),
        (f"{CONNECT} and password = '{PASSWORD} b'", f"{CONNECT} and password = ***"),
        (f"{CONNECT} and password = `{PASSWORD}`", f"{CONNECT} and password = ***"),
        (
            f'{CONNECT} and password = "a and port = {PASSWORD}" and port = 3',
            f"{CONNECT} and password = *** and port = 3",
        ),
        (f"{CONNECT} and password = a {PASSWORD} b", f"{CONNECT} and password = ***"),
        (f"{CONNECT} and password = me and {PASSWORD}", f"{CONNECT} and password = ***"),
        (f"{CONNECT} and password = ab&{PASSWORD}", f"{CONNECT} and password = ***"),
        # Not commands at all.
        (f'{CONNECT} and password = "{PASSWORD} and port = 3', f"{CONNECT} and password = ***"),
        (f"{CONNECT} and password == {PASSWORD}", f"{CONNECT} and password == ***"),
        (f"{CONNECT} and password {PASSWORD}", f"{CONNECT} and password ***"),
        (f"{CONNECT} and pasword = {PASSWORD}", f"{CONNECT} and pasword = ***"),
        (f"{CONNECT} and pasword {PASSWORD}", f"{CONNECT} and pasword ***"),
        (f"{CONNECT} and Password = {PASSWORD}", f"{CONNECT} and Password = ***"),
        (f"conect (password = {PASSWORD}", "conect (password = ***"),
        (f"password: {PASSWORD}", "password: ***"),
        # Inside something else.
        (
            f"run client (10.0.0.7:32048, timeout = 3) {CONNECT} and password = {PASSWORD}",
            f"run client (10.0.0.7:32048, timeout = 3) {CONNECT} and password = ***",
        ),
        (
            f"run x where topic = (name = a and password = {PASSWORD}) and dbms = d",
            "run x where topic = (name = a and password = ***) and dbms = d",
        ),
        (
            f"run x where topic = (password = ab){PASSWORD}) and dbms = d",
            "run x where topic = (password = ***) and dbms = d",
        ),
        (f"<{CONNECT}\n and password = {PASSWORD}\n and port = 3>", None),
        (
            f'p = {{"a": {{"password": "x\\"{PASSWORD}", "b": 1}}}}',
            'p = {"a": {"password": "***", "b": 1}}',
        ),
        (f'p = {{"token": [1, "{PASSWORD}"], "b": 1}}', 'p = {"token": ***, "b": 1}'),
        (f'p = {{"token": {{"x": "{PASSWORD}"', 'p = {"token": ***'),
        (f"p[dbms][password] = {PASSWORD}", "p[dbms][password] = ***"),
        (
            f"rest get where url = http://bob:{PASSWORD}@h/x",
            "rest get where url = http://bob:***@h/x",
        ),
        (f"db_password = {PASSWORD}", "db_password = ***"),
        (f"set !api_key = {PASSWORD}", "set !api_key = ***"),
        (f"$PGPASSWORD = {PASSWORD}", "$PGPASSWORD = ***"),
        # Declared secret, though the name does not say so.
        (f"connect vault v where phrase = {PASSWORD}", "connect vault v where phrase = ***"),
        (
            f"connect vault v where phrase = ({PASSWORD}, b) and user = u",
            "connect vault v where phrase = *** and user = u",
        ),
        (f"set vault code = {PASSWORD}", "set vault code = ***"),
        (
            f"run client (1.2.3.4:5) set  vault code={PASSWORD}",
            "run client (1.2.3.4:5) set  vault code=***",
        ),
        (f"open vault {PASSWORD}", "open vault ***"),
    ],
)
def test_a_secret_is_hidden_and_nothing_else(text: str, shown: str | None) -> None:
    found = redacted(text, secretive_registry())
    assert PASSWORD not in found
    assert found == (text.replace(PASSWORD, "***") if shown is None else shown)
    assert redacted(found, secretive_registry()) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "get status where format = json",
        'print "the password is gone"',
        "berth = 7",
        f"{CONNECT} and password = and port = 3",
        f"{CONNECT} and password =",
        "get event log where keys = a b",
        "sql orchard pass_through = true select 1",
        "[file=!tmp_dir/o.json, key=k, show=true] = rest get where url = http://h:80/x",
        "run tcp server where external_ip = 10.0.0.7 and external_port = 32048",
        "open vaults",
    ],
)
def test_a_text_without_secrets_stays(text: str) -> None:
    assert redacted(text, secretive_registry()) == text


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("PGPASSWORD", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("GITHUB_TOKEN", True),
        ("MYSQL_PWD", True),
        ("db_pass", True),
        ("pw", True),
        ("power", False),
        ("Authorization", True),
        ("PWD", False),
        ("HOME", False),
        ("keys", False),
        ("pass_through", False),
        ("KEYBOARD", False),
    ],
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


@pytest.mark.parametrize(
    "piece",
    [
        "password",
        "password = ",
        " ",
        "and password ",
        '"password":{',
        "(password = '",
        "://a:",
        ")",
    ],
)
def test_hostile_texts_come_to_an_end(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    assert len(redacted(text, REGISTRY)) <= len(text) + 10


@pytest.mark.parametrize(
    "text",
    [
        f"connect vault v where phrase = a=b{PASSWORD}",
        f"connect vault v where phrase = a and b {PASSWORD}",
        f"connect vault v where phrase = a ( {PASSWORD}",
        f"connect vault v where phrase = !{PASSWORD}",
        f"connect vault v where phrase = ({PASSWORD}, {PASSWORD})",
        f"connect vault v where pin = {PASSWORD}",
        "connect vault v where pin = 12345",
        f"connect vault v where password = {PASSWORD}",
        f"open vault {PASSWORD}",
        f"set vault code = {PASSWORD} {PASSWORD}",
        f"set vault code = a {PASSWORD}",
        f"connect vault v where phrase = {PASSWORD * 30} and pin = {PASSWORD * 30}",
    ],
)
def test_no_error_quotes_a_secret(text: str) -> None:
    registry = secretive_registry()

    def understand() -> None:
        for statement in parse(text, registry):
            bind(statement, registry, Variables())

    with pytest.raises(EdgeLakeError) as caught:
        understand()
    error = caught.value
    conceal(error, text, registry)
    assert PASSWORD[:6] not in format_error(error) + repr(error)
    assert "12345" not in format_error(error)
    assert error.column is not None


def test_a_wrong_secret_value_says_what_to_write() -> None:
    registry = secretive_registry()
    with pytest.raises(EdgeLakeError) as caught:
        bind(parse("connect vault v where pin = 77777", registry)[0], registry, Variables())
    assert format_error(caught.value) == (
        "error 175: pin: *** is not whole number in 1000..9999: at column 29;"
        " write a whole number in 1000..9999"
    )
    with pytest.raises(EdgeLakeError) as caught:
        bind(parse('connect vault v where phrase = ""', registry)[0], registry, Variables())
    assert str(caught.value) == "phrase: the value is empty"
    with pytest.raises(UndefinedVariable) as undefined:
        bind(parse("connect vault v where phrase = !nosuch", registry)[0], registry, Variables())
    assert "nosuch" not in str(undefined.value)
    assert "quote a text" in str(undefined.value.hint)


def test_short_secrets_leave_the_words_of_a_message_alone() -> None:
    error = CommandError("a value 'a' is not ab", hint="write 'b' or \"a\"")
    conceal(error, "x where password = a", REGISTRY)
    assert str(error) == "a value '***' is not ab"
    assert error.hint == "write 'b' or \"***\""


@pytest.mark.parametrize("extra", [0, 1])
def test_a_long_text_is_looked_through_around_the_fault(extra: int) -> None:
    text = "x" * (limits.MAX_CONCEALED_CHARS + extra) + "\n" * 3
    place = f"connect vault v where phrase = a {PASSWORD}"
    error = CommandError(f"unexpected '{PASSWORD}'", column=place.index(PASSWORD) + 1)
    error.line = 4
    conceal(error, f"{text}{place}\n{text}", secretive_registry())
    assert str(error) == "unexpected '***'"
    near = CommandError(f"unexpected '{PASSWORD}'")
    conceal(near, f"{place}\n{text}", secretive_registry())
    assert str(near) == "unexpected '***'"


def test_the_line_of_a_script_keeps_its_columns() -> None:
    error = CommandError("wrong", column=3)
    error.excerpt = f"connect vault v where phrase = {PASSWORD} and user = x", 50
    conceal(error, "process x.al", secretive_registry())
    assert error.excerpt == (
        f"connect vault v where phrase = {'*' * len(PASSWORD)} and user = x",
        50,
    )


def test_errors_from_elsewhere_are_mended_too() -> None:
    error = RuntimeError(f"refused: {PASSWORD}", 7)
    conceal(error, f"x where password = {PASSWORD}", REGISTRY)
    assert error.args == ("refused: ***", 7)


def test_the_source_of_a_call_hides_what_has_no_key() -> None:
    registry = secretive_registry()
    call = bind(parse(f"set vault code = {PASSWORD}", registry)[0], registry, Variables())
    assert call.source == "set vault code = ***"
    assert call.secret_values() == [PASSWORD]
    call = bind(parse("open vault 77", registry)[0], registry, Variables())
    assert (call.source, call.secret_values()) == ("open vault ***", ["77"])
