"""Which colours the console uses: the sixteen of the terminal, so that its theme decides."""

from __future__ import annotations

from prompt_toolkit.styles import Style

__all__ = ["STYLE"]

STYLE = Style.from_dict(
    {
        "el.command": "bold",
        "el.unknown": "ansired underline",
        "el.wrong": "ansired underline",
        "el.keyword": "ansimagenta",
        "el.key": "ansicyan",
        "el.sign": "",
        "el.value": "",
        "el.text": "",
        "el.variable": "ansiblue",
        "el.label": "ansiblue bold",
        "el.comment": "ansibrightblack italic",
        "el.number": "ansiyellow",
        "el.unit": "ansiyellow",
        "el.quoted": "ansigreen",
        "el.reference": "ansiblue",
        "el.undefined": "ansiblue underline",
        "el.json.key": "ansicyan",
        "el.json.string": "ansigreen",
        "el.json.number": "ansiyellow",
        "el.json.constant": "ansimagenta",
        "el.hint": "noreverse ansibrightblack",
        "prompt": "bold",
        "prompt.unread": "ansiyellow bold",
        "prompt.assigned": "ansicyan bold",
        "auto-suggestion": "ansibrightblack",
        "bottom-toolbar": "noreverse",
        "bottom-toolbar.text": "noreverse ansibrightblack",
    }
)
"""Styles of the prompt; no background is set, so they suit light and dark themes."""
