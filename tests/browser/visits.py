"""A browser that looks at the console of a node, and notes what went wrong in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

PATIENCE_MS = 15_000
SECTIONS = ("overview", "ledger", "peers", "command", "logs")


@contextmanager
def browser() -> Iterator[Browser]:
    """Have Debian's Chromium, without a window."""
    program = shutil.which("chromium")
    if program is None:
        reason = "the Debian package chromium is not installed: run tests/install-packages"
        # Where changes are judged nothing may go untested.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    # Its sandbox is not for root, nor for most containers; only pages of ours are looked at.
    arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield chromium
        finally:
            chromium.close()


@dataclass(slots=True)
class Visit:
    """One page at one console.

    Attributes
    ----------
    faults : list of str
        Errors of scripts and of the browser's console, and requests to anybody else.
    """

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    def go(self, section: str, query: str = "") -> None:
        """Open a section and wait for its heading."""
        self.page.goto(f"{self.url}/#/{section}{query}")
        name = section.partition("/")[0]
        self.page.locator(f".sections a[href='#/{name}'][aria-current]").wait_for()
        self.page.locator("main h1").wait_for()

    def type(self, text: str, key: str = "") -> None:
        """Type a text, as a person does, and then press a key."""
        self.page.keyboard.type(text)
        if key:
            self.page.keyboard.press(key)

    def run(self, command: str) -> Locator:
        """Run a command in its section; return its answer."""
        self.page.locator("textarea").fill(command)
        self.page.keyboard.press("Enter")
        answer = self.page.locator("article.answer").first
        answer.locator("header span:not(:text('running …'))").wait_for()
        return answer

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        found: Any = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return max(0, int(found))


@contextmanager
def visit(chromium: Browser, url: str, **options: Any) -> Iterator[Visit]:
    """Have a page of a browser that has kept nothing, at a console."""
    options = {"viewport": {"width": 1280, "height": 800}, **options}
    context = chromium.new_context(**options)
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        found = Visit(page, url)
        note = found.faults.append
        page.on("console", lambda said: note(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: note(str(error)))
        page.on("request", lambda sent: None if sent.url.startswith(url) else note(sent.url))
        yield found
    finally:
        context.close()
