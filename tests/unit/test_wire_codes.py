"""Every error has a number on the wire, and every number a text."""

from __future__ import annotations

import json

import pytest

from edgelake import errors
from edgelake.wire import error_from_peer, short_text, wire_code

CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.EdgeLakeError)
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_has_a_number_and_a_text(kind):
    given = {errors.TooManyCalls: {"retry_after_s": 7.0}}.get(kind, {})
    error = kind("text", 7) if kind is errors.RemoteError else kind("text", **given)
    code = wire_code(error)
    assert 1 <= code <= 303
    if kind is not errors.RemoteError:
        assert short_text(code) != f"error {code}"
    assert str(error) == "text"


def test_the_tree_in_the_docstring_names_every_class():
    for kind in CLASSES:
        assert kind.__name__ in (errors.__doc__ or "")
        assert kind.__name__ in errors.__all__


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError(), 26),
        (ConnectionResetError(), 81),
        (FileNotFoundError(), 12),
        (PermissionError(), 4),
        (json.JSONDecodeError("m", "d", 0), 6),
        (KeyError(), 3),
        (errors.PolicyConflict("x"), 30),
        (errors.RemoteError("x", 46), 46),
        (errors.RemoteError("x", 0), 3),
    ],
)
def test_foreign_errors_get_the_nearest_number(error, code):
    assert wire_code(error) == code


def test_an_error_of_a_peer_keeps_number_and_text():
    error = error_from_peer(212, " command not permitted ")
    assert (error.remote_code, error.code, str(error)) == (212, 212, "command not permitted")
    assert str(error_from_peer(29, "")) == short_text(29)
