"""What people do in the console, done in Chromium."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from edgelake import Client, Node
from tests.browser.visits import PATIENCE_MS, SECTIONS, Visit, browser, visit
from tests.http_calls import HOST, PASSWORD, add_user, rest_node, rest_port, tcp_place

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of all tests."""
    with browser() as made:
        yield made


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A master with a few policies, open to the commands of all."""
    with rest_node(tmp_path_factory.mktemp("node")) as (made, _):
        made.run("set remote permission = admin")
        made.run("set node name fen-01")
        made.run("connect dbms blockchain where type = sqlite")
        made.run("create table ledger where dbms = blockchain")
        host, port = tcp_place(made).split(":")
        insert(made, "query", name="fen-01", ip=host, port=int(port), company="acme")
        insert(made, "query", name="weir-02", ip=host, port=1, company="acme")
        for number in range(60):
            insert(made, "device", name=f"pump-{number:02}", level=number % 7)
        yield made


@pytest.fixture
def at(chromium: Browser, node: Node) -> Iterator[Visit]:
    """A page at the node's console."""
    with visit(chromium, url_of(node)) as made:
        yield made
        # Whatever a test does: no script of ours failed, and nobody else was asked.
        assert [fault for fault in made.faults if "Failed to load resource" not in fault] == []


def url_of(node: Node) -> str:
    """Return the address of a node's console."""
    return f"http://{HOST}:{rest_port(node)}"


def insert(node: Node, kind: str, **body: object) -> None:
    """Put a policy into the local ledger."""
    text = json.dumps({kind: body})
    node.run(f"blockchain insert where policy = {text} and local = true")


def test_all_sections_load_without_a_fault_and_without_the_help_of_others(at: Visit) -> None:
    at.page.goto(at.url)
    for section in SECTIONS:
        at.page.locator(f".sections a[href='#/{section}']").click()
        expect(at.page.locator("main h1")).to_have_text(section.capitalize())
        expect(at.page.locator("#who")).to_contain_text("fen-01")
    expect(at.page.locator("tbody tr").first).to_be_visible()
    assert at.faults == []


def test_a_command_is_completed_and_answered(at: Visit) -> None:
    at.go("command")
    field = at.page.locator("textarea")
    expect(field).to_be_focused()
    at.type("get proc")
    expect(at.page.get_by_role("option")).to_contain_text("processes")
    at.type("", "Tab")
    expect(field).to_have_value("get processes ")
    expect(at.page.locator("pre .role-command").first).to_have_text("get")
    at.type("", "Enter")
    expect(at.page.locator("article.answer tbody tr").first).to_contain_text("Running")
    expect(field).to_have_value("")
    at.run("get status")
    at.type("", "ArrowUp")
    at.type("", "ArrowUp")
    expect(field).to_have_value("get processes")
    at.type("", "ArrowDown")
    expect(field).to_have_value("get status")


def test_several_offers_make_a_list(at: Visit) -> None:
    at.go("command")
    field = at.page.locator("textarea")
    at.type("get tcp ")
    options = at.page.get_by_role("option")
    expect(options).to_have_count(3)
    at.type("", "Tab")
    expect(options.first).to_have_attribute("aria-selected", "true")
    at.type("", "ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    chosen = options.nth(1).locator("span").inner_text()
    at.type("", "Enter")
    expect(field).to_have_value(f"get tcp {chosen} ")


def test_a_hint_says_what_is_expected(at: Visit) -> None:
    at.go("command")
    at.type("run tcp server where external_port = ")
    expect(at.page.locator("#hinted")).to_contain_text("external_port")


def test_an_error_is_shown_with_its_place(at: Visit) -> None:
    at.go("command")
    answer = at.run("get statsu")
    expect(answer.locator(".fault p")).to_contain_text("did you mean 'get status'")
    line, caret = answer.locator(".fault pre").inner_text().split("\n")
    assert line.index("statsu") == caret.index("^")
    # It is there to be mended.
    at.type("", "ArrowUp")
    expect(at.page.locator("textarea")).to_have_value("get statsu")


def test_what_is_secret_is_not_kept(at: Visit) -> None:
    at.go("command")
    at.run("set db_password = hunter2zz")
    kept = at.page.evaluate("JSON.stringify({...localStorage})")
    assert "db_password" in kept
    assert "hunter2zz" not in kept
    assert "hunter2zz" not in at.page.content()


def test_charts_move_when_messages_come(node: Node, at: Visit) -> None:
    at.go("overview")
    line = at.page.locator("path[data-key=messages_in_per_s]")
    expect(line).to_have_attribute("d", re.compile("M.+"))
    before = line.get_attribute("d")
    with Client(tcp_place(node)) as client:
        for _ in range(50):
            client.request("get processes", timeout=10)
        legend = at.page.locator("figure").first.locator(".legend b").first
        expect(legend).not_to_have_text(re.compile(r"^(0|–)$"))
    assert line.get_attribute("d") != before
    # By keyboard, to what was before.
    at.page.locator("svg.chart").first.focus()
    at.type("", "ArrowLeft")
    expect(at.page.locator("svg.chart circle").first).to_be_visible()


def test_an_insert_appears_in_the_ledger(at: Visit) -> None:
    at.go("command")
    policy = '{"silo": {"name": "silo-9", "place": {"lat": 52.1}, "serial": 9007199254740993}}'
    at.run(f"blockchain insert where policy = {policy} and local = true")
    at.go("ledger")
    at.page.locator(".types a", has_text="silo").click()
    at.page.locator("tbody a", has_text="silo-9").click()
    tree = at.page.locator(".tree")
    expect(tree).to_contain_text("lat: 52.1")
    expect(tree).to_contain_text("serial: 9007199254740993")
    at.page.locator(".tree summary", has_text="place").click()
    expect(tree.get_by_text("52.1")).to_be_hidden()
    at.page.get_by_role("tab", name="JSON").click()
    assert json.loads(at.page.locator("pre.code").inner_text())["silo"]["name"] == "silo-9"


def test_a_search_finds_policies_and_shows_its_faults(at: Visit) -> None:
    at.go("ledger")
    at.page.locator("#where").fill("name = pump-07")
    at.type("", "Enter")
    expect(at.page.locator("tbody tr")).to_have_count(1)
    expect(at.page.locator("tbody tr")).to_contain_text("pump-07")
    at.page.locator("#where").fill("name ~ pump-07")
    at.type("", "Enter")
    line, caret = at.page.locator(".fault pre").inner_text().split("\n")
    assert line.index("~") == caret.index("^")


def test_many_policies_come_in_pages(at: Visit) -> None:
    at.go("ledger", "?type=device")
    pager = at.page.locator(".pager")
    expect(pager).to_contain_text("1–50 of 60")
    pager.get_by_role("button", name="Later").click()
    expect(pager).to_contain_text("51–60 of 60")
    expect(at.page.locator("tbody tr").last).to_contain_text("pump-59")
    expect(pager.get_by_role("button", name="Later")).to_be_disabled()


def test_changes_of_the_log_are_listed(node: Node, at: Visit) -> None:
    node.run('blockchain push {"gauge": {"name": "g1", "id": "g1"}}')
    node.run("blockchain drop policy where id = g1")
    at.go("ledger/changes")
    first, second = at.page.locator("tbody tr").first, at.page.locator("tbody tr").nth(1)
    expect(first).to_contain_text("removed")
    expect(second).to_contain_text("written")
    second.locator("a").click()
    expect(at.page.locator("main h1")).to_have_text("A policy that is gone")


def test_peers_are_asked_on_demand(at: Visit) -> None:
    at.go("peers")
    expect(at.page.locator("tbody")).to_contain_text("not asked")
    at.page.get_by_role("button", name="Ask all").click()
    rows = at.page.locator("tbody tr")
    expect(rows.filter(has_text="fen-01")).to_contain_text("answers")
    expect(rows.filter(has_text="weir-02")).to_contain_text("no answer")


def test_colours_follow_the_system_and_the_switch(chromium: Browser, node: Node) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    with visit(chromium, url_of(node), color_scheme="dark") as at:
        at.go("overview")
        dark = at.page.evaluate(ground)
        switch = at.page.locator("#theme")
        switch.click()
        light = at.page.evaluate(ground)
        assert light != dark
        at.page.reload()
        expect(switch).to_have_attribute("title", "Colours: light")
        assert at.page.evaluate(ground) == light
        at.page.emulate_media(color_scheme="light")
        switch.click()
        assert at.page.evaluate(ground) == dark


def test_nothing_is_too_wide_for_a_narrow_screen(chromium: Browser, node: Node) -> None:
    with visit(chromium, url_of(node), viewport={"width": 390, "height": 844}) as at:
        for section in (*SECTIONS, "ledger/changes", "logs/error"):
            at.go(section)
            if section == "command":
                at.run("get tcp stats")
                at.run("blockchain get device where name = pump-01")
                at.run("get " + "x" * 300)
            assert at.overflow() == 0, section
        at.go("ledger", "?where=name%20%3D%20pump-01")
        at.page.locator("tbody a").click()
        at.page.locator(".tree").wait_for()
        assert at.overflow() == 0


def test_all_can_be_done_by_keyboard(at: Visit) -> None:
    focused = at.page.locator(":focus")
    at.go("overview")
    at.type("", "Tab")
    expect(focused).to_have_text("Skip to the content")
    at.type("", "Enter")
    expect(focused).to_have_id("main")
    at.type("?")
    expect(at.page.get_by_role("dialog")).to_contain_text("Command line")
    at.type("", "Escape")
    expect(at.page.get_by_role("dialog")).to_be_hidden()
    at.type("l")
    expect(at.page.locator("main h1")).to_have_text("Ledger")
    at.type("/")
    expect(focused).to_have_id("where")
    at.type("name = pump-03", "Enter")
    expect(at.page.locator("tbody tr")).to_have_count(1)
    at.page.locator("tbody a").focus()
    width = "getComputedStyle(document.activeElement).outlineWidth"
    assert at.page.evaluate(width) == "2px"
    at.type("", "Enter")
    expect(at.page.locator(".tree")).to_be_visible()
    at.type("c")
    expect(focused).to_have_role("combobox")
    at.type("get st")
    expect(at.page.get_by_role("option").first).to_be_visible()
    at.type("", "Escape")
    at.type("", "Tab")
    expect(focused).to_have_id("destination")


def test_hostile_text_stays_text(node: Node, at: Visit) -> None:
    insert(node, "query", name=HOSTILE, ip=HOSTILE, port=1, company=HOSTILE)
    insert(node, HOSTILE, id=HOSTILE, name={HOSTILE: [HOSTILE]})
    node.run(f"blockchain push {json.dumps({'device': {'name': HOSTILE, 'company': HOSTILE}})}")
    page = at.page

    def unharmed() -> None:
        assert page.locator("img").count() == 1  # our own mark
        assert page.title() != "taken"

    at.go("ledger")
    expect(page.locator(".types")).to_contain_text(HOSTILE)
    page.locator(".types a", has_text="onerror").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    unharmed()
    page.locator("tbody a").click()
    expect(page.locator(".tree")).to_contain_text(HOSTILE)
    unharmed()
    page.get_by_role("tab", name="JSON").click()
    expect(page.locator("pre.code")).to_contain_text("onerror")
    unharmed()
    for section in ("ledger/changes", "peers", "logs"):
        at.go(section)
        expect(page.locator("main")).to_contain_text("<img src=x")
        unharmed()
    at.go("command")
    expect(at.run("blockchain get query")).to_contain_text("<img src=x")
    unharmed()


def test_who_may_not_see_the_logs_is_told_so(node: Node, at: Visit) -> None:
    node.run("set remote permission = read")
    try:
        at.go("logs")
        expect(at.page.locator("main .fault")).to_contain_text("not permitted")
        expect(at.page.locator("#level")).to_have_text("level read")
        # Nobody has a name here by which more could be done.
        expect(at.page.get_by_text("Sign in")).to_have_count(2)
        for link in at.page.get_by_text("Sign in").all():
            expect(link).to_be_hidden()
    finally:
        node.run("set remote permission = admin")


def test_who_has_a_name_may_say_it(chromium: Browser, tmp_path: Path) -> None:
    with rest_node(tmp_path) as (node, _):
        add_user(node, level="admin")
        node.run("set rest anonymous = read")
        with visit(chromium, url_of(node)) as at:
            at.go("logs")
            expect(at.page.locator("main .fault a")).to_be_visible()
            expect(at.page.locator("#login")).to_be_visible()


def test_a_node_that_ends_is_missed(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        rest_node(tmp_path_factory.mktemp("short"), tcp=False) as (node, _),
        visit(chromium, url_of(node)) as at,
    ):
        at.go("overview")
        node.run("exit rest")
        expect(at.page.locator("#trouble")).to_contain_text("does not answer")


def test_a_person_says_who_he_is(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    said = {"username": "ops", "password": PASSWORD}
    with rest_node(tmp_path_factory.mktemp("named"), tcp=False) as (node, _):
        add_user(node, level="admin")
        with visit(chromium, url_of(node), http_credentials=said) as at:
            at.go("overview")
            expect(at.page.locator("#level")).to_have_text("ops, level admin")
            expect(at.page.locator("#login")).to_be_hidden()
        node.run("set rest anonymous = read")
        with visit(chromium, url_of(node), http_credentials=said) as at:
            at.go("overview")
            expect(at.page.locator("#level")).to_have_text("level read")
            at.page.locator("#login").click()
            expect(at.page.locator("#level")).to_have_text("ops, level admin")
            at.go("command")
            assert "ops" in (at.run("get users").text_content() or "")
