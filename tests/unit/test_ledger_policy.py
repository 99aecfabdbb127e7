"""The policy model: shape, ids, completion, and texts that must not do harm."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from edgelake import limits
from edgelake.errors import BadJson, PolicyInvalid
from edgelake.ledger import complete, literal, parse_policy, policy_id, policy_of

EXAMPLES = json.loads(
    (Path(__file__).parents[1] / "data" / "ledger" / "policy_ids.json").read_text()
)
NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
NOW_TEXT = "2026-01-02T03:04:05.000006Z"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e['id'][:8]}")
def test_ids_are_those_of_the_network(example):
    policy = parse_policy(example["policy"])
    assert policy_id(policy.type, policy.body) == example["id"]
    by_fields = policy.type in ("table", "cluster")
    if "text" in example and not by_fields and "date" not in policy.body:
        assert literal(policy.content()) == example["text"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("9223372036854775807", "9223372036854775807"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "1.8446744073709552e+19"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("-9223372036854775809", "-9.223372036854776e+18"),
        ("1" + "0" * 300, "1e+300"),
        ("-0", "0"),
        ("1E5", "100000.0"),
        ("1e-7", "1e-07"),
    ],
)
def test_numbers_are_read_as_the_network_does(number, text):
    assert literal(parse_policy(f'{{"a": {{"n": {number}}}}}').body["n"]) == text


def test_a_policy_is_kept_as_compact_json_in_its_own_order():
    policy = parse_policy('{ "note" : {"z":1 , "a":"caf\u00e9 | it\'s \\\\ \\u4e2d", "l":[1,{}]}}')
    assert policy.text == '{"note": {"z": 1, "a": "caf\\u00e9 | it\'s \\\\ \\u4e2d", "l": [1, {}]}}'
    assert policy.to_line() == policy.text
    assert parse_policy(policy.text) == policy


def test_a_repeated_key_has_its_last_value_at_its_first_place():
    policy = parse_policy('{"device": {"a": 1, "b": 2, "a": 3}}')
    assert policy.text == '{"device": {"a": 3, "b": 2}}'


class TestComplete:
    def test_without_id_date_and_ledger_leave_their_places(self):
        policy = parse_policy('{"device":{"date":"2020","name":"d1","ledger":"global","ip":"x"}}')
        done = complete(policy, NOW)
        assert list(done.body) == ["name", "ip", "id", "date"]
        assert done.date == "2020"
        assert done.id == policy_id("device", {"name": "d1", "ip": "x"})

    def test_with_id_and_date_nothing_moves(self):
        policy = parse_policy('{"device":{"ledger":"global","date":"2020","id":"i","name":"n"}}')
        assert complete(policy, NOW) == policy
        local = complete(policy, NOW, ledger="local")
        assert next(iter(local.body.items())) == ("ledger", "local")

    def test_with_id_alone_the_date_is_appended(self):
        done = complete(parse_policy('{"device":{"id":"i","name":"n"}}'), NOW, ledger="local")
        assert done.text == (
            f'{{"device": {{"id": "i", "name": "n", "date": "{NOW_TEXT}", "ledger": "local"}}}}'
        )

    def test_the_date_is_utc_with_six_digits(self):
        there = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
        assert complete(parse_policy('{"a":{}}'), there).date == NOW_TEXT

    def test_it_is_complete_once_and_for_all(self):
        once = complete(parse_policy('{"a":{"b":1}}'), NOW)
        assert complete(once, NOW + timedelta(days=1)) == once

    def test_the_given_policy_is_not_changed(self):
        policy = parse_policy('{"a":{"date":"2020"}}')
        complete(policy, NOW, ledger="local")
        assert policy.body == {"date": "2020"}


def test_ledger_is_set_in_its_place_or_appended():
    policy = parse_policy('{"a":{"ledger":"Local","id":"i"}}')
    assert policy.ledger == "local"
    assert policy.with_ledger("global").text == '{"a": {"ledger": "global", "id": "i"}}'
    assert parse_policy('{"a":{"id":"i"}}').with_ledger("local").body == {
        "id": "i",
        "ledger": "local",
    }


def test_a_row_has_the_columns_of_the_table():
    policy = parse_policy(
        '{"device":{"id":"i","date":"2026","company":"O\'Brien","status":5,"x":null}}'
    )
    row = policy.row()
    assert (row.policy_type, row.policy_id, row.date) == ("device", "i", "2026")
    assert (row.company, row.status, row.policy) == ("O'Brien", "5", policy.text)
    bare = parse_policy('{"d":{"id":"i","company":true,"status":["a"]}}').row()
    assert (bare.company, bare.status, bare.date) == (None, None, "")
    with pytest.raises(PolicyInvalid, match="has no id"):
        parse_policy('{"device":{"name":"n"}}').row()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the policy is empty"),
        ("{", "not JSON at its end"),
        ('{"device": {"name": d1}}', "not JSON at character 21"),
        ("{'device': {}}", "not JSON at character 2"),
        ('{"device": {}} x', "not JSON at character 16"),
        ('{"a": {"b": "tab\there"}}', "not JSON at character 17"),
        ('{"a": {"b": "\ud800"}}', "character 14 is not a Unicode character"),
    ],
)
def test_what_is_not_json_says_where(text, message):
    with pytest.raises(BadJson, match=message):
        parse_policy(text)


def test_a_fault_is_placed_in_the_command():
    with pytest.raises(BadJson) as caught:
        parse_policy('{"device": {"name": d1}}', column=30)
    assert caught.value.column == 50
    with pytest.raises(BadJson) as caught:
        parse_policy("{'device': {}}", column=30)
    assert "double quotes" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["device"]', "not a list"),
        ("null", "not null"),
        ("true", "not true"),
        ('"device"', "not a text"),
        ("5", "not a number"),
        ("{}", "one root key, not 0"),
        ('{"a": {}, "b": {}}', "one root key, not 2"),
        ('{"": {}}', "type of the policy is empty"),
        ('{"device": []}', "'device' holds a list instead of attributes"),
        ('{"device": null}', "'device' holds null"),
        ('{"device": {"id": ""}}', "id of 'device' is an empty text"),
        ('{"device": {"id": 7}}', "id of 'device' is a number"),
        ('{"device": {"id": null}}', "id of 'device' is null"),
        ('{"device": {"date": 2026}}', "date of 'device' is a number"),
        ('{"device": {"x": NaN}}', "number NaN is not a finite"),
        ('{"device": {"x": -Infinity}}', "number -Infinity is not a finite"),
        ('{"device": {"x": 1e999}}', "number 1e999 is not a finite"),
        ('{"device": {"x": ' + "9" * 5000 + "}}", "number 9+… is not a finite"),
        ('{"device": {"x": "\\ud800"}}', r"\\ud800 is half of a surrogate pair"),
        ('{"device": {"\\uDC00x": 1}}', r"\\udc00 is half of a surrogate pair"),
    ],
)
def test_what_is_no_policy_says_why(text, message):
    with pytest.raises(PolicyInvalid, match=message):
        parse_policy(text)


def test_a_surrogate_pair_is_a_character():
    assert parse_policy('{"a":{"x":"\\ud83d\\ude00"}}').body["x"] == "\N{GRINNING FACE}"


class TestHostileSize:
    def test_nesting_is_bounded_and_never_exhausts_the_stack(self):
        for opening in ('{"a":', "[", '[{"a":'):
            for count in (limits.MAX_NESTING, 1_000, 100_000):
                text = '{"device": {"x": ' + opening * count
                with pytest.raises((PolicyInvalid, BadJson)):
                    parse_policy(text)

    def test_the_deepest_policy_is_taken_and_can_be_used(self):
        inner = limits.MAX_NESTING - 2
        policy = parse_policy('{"a": {"x": ' + "[" * inner + "]" * inner + "}}")
        assert complete(policy, NOW).id
        with pytest.raises(PolicyInvalid, match=f"deeper than {limits.MAX_NESTING}"):
            parse_policy('{"a": {"x": ' + "[" * (inner + 1) + "]" * (inner + 1) + "}}")

    def test_brackets_inside_texts_are_no_nesting(self):
        text = "[{" * 500 + '\\"' + "}]" * 500
        assert parse_policy(f'{{"a": {{"x": "{text}"}}}}').body["x"] == text.replace("\\", "")

    def test_many_brackets_side_by_side_are_no_nesting(self):
        many = ",".join(["[]"] * 1000)
        assert len(parse_policy(f'{{"a": {{"x": [{many}]}}}}').body["x"]) == 1000

    @pytest.mark.timeout(20)
    def test_an_open_text_full_of_quotes_costs_linear_time(self):
        half = limits.MAX_POLICY_BYTES // 2 - 200
        for text in ("[]" * 100 + '"' + '\\"' * half, "[]" * 100 + '"x' * (half - 1) + '"'):
            with pytest.raises((BadJson, PolicyInvalid)):
                parse_policy(text)

    def test_size_counts_bytes(self):
        frame = len('{"a": {"x": ""}}')
        fits = "x" * (limits.MAX_POLICY_BYTES - frame)
        assert parse_policy(f'{{"a": {{"x": "{fits}"}}}}').body["x"] == fits
        with pytest.raises(PolicyInvalid, match=f"exceeds {limits.MAX_POLICY_BYTES}"):
            parse_policy(f'{{"a": {{"x": "x{fits}"}}}}')
        wide = "é" * (limits.MAX_POLICY_BYTES // 2)
        with pytest.raises(PolicyInvalid, match="exceeds"):
            parse_policy(f'{{"a": {{"x": "{wide}"}}}}')


def test_data_becomes_a_policy_with_the_line_it_was_read_from():
    line = '{"a":{"id":"i"}}'
    assert policy_of(json.loads(line), text=line).text == line
    assert policy_of(json.loads(line)).text == '{"a": {"id": "i"}}'
