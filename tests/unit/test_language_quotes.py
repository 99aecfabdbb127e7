"""JSON with single quotes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelake.language import JsonText, Variables, expand_json
from edgelake.language.quotes import double_quoted
from edgelake.ledger import literal

VARIABLES = Variables({"ip": "10.0.0.7", "port": "5"}, {})


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ("{'a': 'b'}", {"a": "b"}),
        ("""{'a': "it's", "b": 'say "hi"'}""", {"a": "it's", "b": 'say "hi"'}),
        (r"{'a': 'it\'s', 'b': 'x\\y\n\d\x41'}", {"a": "it's", "b": "x\\y\n\\dA"}),
        ("[{'on': True, 'off': False, 'none': None}]", [{"on": True, "off": False, "none": None}]),
        ("{'True': 'None'}", {"True": "None"}),
        ("{'ip': '!ip', 'port': !port, 's': ['if !x then print !ip']}",
         {"ip": "10.0.0.7", "port": 5, "s": ["if !x then print !ip"]}),
    ],
)  # fmt: skip
def test_single_quotes_are_read(source, data):
    assert JsonText.read(expand_json(source, VARIABLES, strict=True)).data == data


@pytest.mark.parametrize(
    "source",
    ['{"a": "it\'s"}', '{"a": True}', "{'a", "{'a\\", "{\"a'b", "'" * 3 + "\\" * 5, "{a'}"],
)
def test_what_is_no_such_text_stays(source):
    assert double_quoted(source) in (source, source.replace("''", '""'))


def test_a_peer_writes_json():
    assert expand_json("{'a': 1}", VARIABLES.for_peers(), strict=True) == "{'a': 1}"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**60), 2**60),
        TEXT,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(TEXT, inner, max_size=3),
    ),
)


@given(VALUES)
def test_what_existing_nodes_answer_is_read(value):
    """Their notation has single quotes around texts, and double ones around those with some."""
    text = literal([value, "x"])
    if '"' not in text:
        assert json.loads(double_quoted(text)) == [value, "x"]


@given(VALUES)
def test_json_is_not_touched(value):
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert double_quoted(text) == text


@given(st.text(alphabet="{}[]:,'\"\\ aTrue!x5", max_size=40))
def test_any_text_is_taken(text):
    assert isinstance(double_quoted(text), str)
