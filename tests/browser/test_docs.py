"""The page of the calls by HTTP, looked at in Chromium."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.visits import PATIENCE_MS, browser, visit
from tests.http_calls import HOST, rest_node

expect.set_options(timeout=PATIENCE_MS)


def test_every_call_is_on_the_page_on_wide_and_narrow_screens(tmp_path: Path) -> None:
    with rest_node(tmp_path / "home", tcp=False) as (_, call), browser() as chromium:
        paths = call("GET", "/openapi.json").data["paths"]
        calls = [(method, path) for path, methods in paths.items() for method in methods]
        for width in (1280, 360):
            with visit(
                chromium,
                f"http://{HOST}:{call.port}",
                viewport={"width": width, "height": 800},
            ) as at:
                at.page.goto(f"{at.url}/docs")
                expect(at.page.locator("article.call")).to_have_count(len(calls))
                for method, path in calls:
                    heading = at.page.get_by_role("heading", name=f"{method.upper()} {path}")
                    expect(heading.first).to_be_visible()
                expect(at.page.locator("#healthz")).to_contain_text("Whether the node is alive")
                at.page.locator("#run details").first.locator("summary").click()
                expect(at.page.locator("#run pre").first).to_contain_text('"command": string')
                for link in at.page.locator("#groups a").all():
                    assert link.evaluate("it => it.scrollWidth <= it.clientWidth")
                assert at.overflow() == 0
                assert at.faults == []
