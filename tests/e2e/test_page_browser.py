"""The sandbox's page in a real browser, filled by the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sandbox_server import Sandbox
from target_command import record, run_command, schema

# The scripts are no package.
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import browser

MISSING = browser.why_missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

MANY = 500
SOUGHT = "Łąkowa Ceramics <b>&</b> Sons"
VIEWS = ("/", "/?q=ceramics", "/?view=requests", "/?customer=none", "/?q=nobody")


def load(sandbox, *customers):
    fields = ("id", "name", "emailAddress")
    result = run_command(
        sandbox,
        [schema(*fields), *(record(**customer) for customer in customers)],
        key_properties=None,
    )
    assert result.code == 0, result.stderr
    return result.summary


def customers():
    made = [
        {"id": str(n), "name": f"Customer {n}", "emailAddress": f"{n}@x.example"}
        for n in range(1, MANY + 1)
    ]
    made[99]["name"] = SOUGHT
    return made


@pytest.fixture(scope="module")
def loaded():
    """A sandbox with many customers, one of which was changed later."""
    with Sandbox() as sandbox:
        first = customers()
        assert f"{MANY} created" in load(sandbox, *first)
        changed = {**first[99], "emailAddress": "new@x.example"}
        assert "1 updated" in load(sandbox, changed)
        sandbox.call("POST", "/customers", {"input": {}})
        address = {"data": [{"country": "USA", "streetLine1": "x" * 300}]}
        refused = {"inputs": [{"name": "A"}, {"name": "B", "addresses": address}]}
        sandbox.call("POST", "/bulk-customers", refused)
        yield sandbox


@pytest.fixture(scope="module")
def chromium():
    with browser.chromium() as chromium:
        yield chromium


@pytest.fixture
def page(chromium, loaded):
    """A page of the browser; afterwards all it asked for was on this machine."""
    asked, said = [], []
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(60_000)
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    yield page
    page.close()
    assert asked
    assert [url for url in asked if not url.startswith(f"{loaded.root}/")] == []
    refused = [text for text in said if "404 (Not Found)" not in text]
    assert refused == [], "the policy let everything through that is needed"


def test_a_customer_is_found_opened_and_shows_its_two_versions(page, loaded):
    page.goto(loaded.root)
    page.get_by_label("Name or source id").fill("ŁĄKOWA ceramics")
    page.get_by_role("button", name="Search").click()
    page.get_by_text("1 customer found").wait_for()
    page.get_by_role("link", name=SOUGHT).click()

    assert page.get_by_role("heading", level=1).inner_text() == SOUGHT
    versions = page.get_by_role("heading", level=3).all_inner_texts()
    assert versions == ["Version 2, updated", "Version 1, created"]
    changed = page.get_by_role("table", name="What it changed")
    assert changed.get_by_role("row").nth(1).get_by_role("cell").all_inner_texts() == [
        "100@x.example",
        "new@x.example",
    ]
    content = page.get_by_role("main")
    content.get_by_role("link", name="Request").first.click()
    page.get_by_role("heading", name="What it changed").wait_for()
    assert "1 row" in page.get_by_role("main").inner_text()


def test_all_customers_are_on_ten_pages(page, loaded):
    page.goto(loaded.root)
    rows = page.locator("tbody tr")
    seen = set(rows.get_by_role("rowheader").all_inner_texts())
    for number in range(2, MANY // 50 + 1):
        page.get_by_role("link", name="Next").click()
        page.get_by_text(f"Page {number} of 10").wait_for()
        seen |= set(rows.get_by_role("rowheader").all_inner_texts())

    assert len(seen) == MANY
    assert page.get_by_role("link", name="Next").count() == 0


def test_it_reads_the_same_without_javascript(chromium, loaded):
    with chromium.new_page(java_script_enabled=False) as page:
        page.goto(loaded.root)
        page.get_by_label("Name or source id").fill("ceramics")
        page.get_by_role("button", name="Search").click()
        page.get_by_role("link", name=SOUGHT).click()
        page.get_by_role("heading", name="Version 2, updated").wait_for()


STRUCTURE = """() => {
  const all = (what) => [...document.querySelectorAll(what)];
  const levels = all("h1,h2,h3,h4,h5,h6").map((h) => +h.tagName[1]);
  const ids = all("[id]").map((e) => e.id);
  return {
    language: document.documentElement.lang,
    title: document.title.length > 20,
    h1: all("h1").length,
    skipped: levels.filter((l, i) => l > (levels[i - 1] ?? 0) + 1),
    landmarks: ["header", "nav", "main"].filter((l) => !all(l).length),
    mains: all("main").length,
    bareHeaders: all("th:not([scope])").length,
    namelessTables: all("table").filter((t) => !t.caption && !t.ariaLabel).length,
    headless: all("table").filter((t) => !t.tHead).length,
    namelessNavs: all("nav").filter((n) => !n.ariaLabel).length,
    unlabelled: all("input").filter((i) => !i.labels.length).length,
    noAlt: all("img:not([alt])").length,
    emptyLinks: all("a,button").filter((a) => !a.textContent.trim()).length,
    twice: ids.filter((id, i) => ids.indexOf(id) !== i),
    autofocus: all("[autofocus],[tabindex]:not([tabindex='0'],[tabindex='-1'])").length,
  };
}"""
SOUND = {
    "language": "en",
    "title": True,
    "h1": 1,
    "skipped": [],
    "landmarks": [],
    "mains": 1,
    "bareHeaders": 0,
    "namelessTables": 0,
    "headless": 0,
    "namelessNavs": 0,
    "unlabelled": 0,
    "noAlt": 0,
    "emptyLinks": 0,
    "twice": [],
    "autofocus": 0,
}

# Every text whose contrast with what lies behind it is too low for WCAG AA.
FAINT = """() => {
  const shares = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = shares(color).slice(0, 3).map((c) => {
      const share = c / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if ((shares(color)[3] ?? 1) > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const faint = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim()) continue;
    texts += 1;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push([walk.currentNode.textContent.trim(), contrast]);
  }
  return [texts > 10, faint];
}"""


def addresses(sandbox):
    """One of each view."""
    customer_id = sandbox.customer("TMSEZ", "100")["id"]
    updated, _, refused = (row["number"] for row in sandbox.requests()[-3:])
    return [
        *VIEWS,
        f"/?customer={customer_id}",
        f"/?request={updated}",
        f"/?request={refused}",
    ]


def test_every_view_is_sound_for_who_cannot_see_it(page, loaded):
    for address in addresses(loaded):
        page.goto(f"{loaded.root}{address}")

        assert page.evaluate(STRUCTURE) == SOUND, address


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_lies_behind_it(page, loaded, scheme):
    page.emulate_media(color_scheme=scheme)
    grounds = set()
    for address in addresses(loaded):
        page.goto(f"{loaded.root}{address}")

        assert page.evaluate(FAINT) == [True, []], address
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == {"rgb(246, 247, 248)" if scheme == "light" else "rgb(15, 22, 27)"}


def test_the_keyboard_reaches_everything_and_shows_where_it_is(page, loaded):
    page.goto(f"{loaded.root}/?q=ceramics")
    reached = []
    for _ in range(page.locator("a,button,input,[tabindex='0']").count()):
        page.keyboard.press("Tab")
        name, width, style = page.evaluate(
            """() => {
              const [e, s] = [document.activeElement, getComputedStyle(
                document.activeElement)];
              return [e.ariaLabel || e.textContent.trim() || e.id,
                      parseFloat(s.outlineWidth), s.outlineStyle];
            }"""
        )
        assert width >= 2, name
        assert style == "solid", name
        reached.append(name)

    assert reached[0] == "Skip to the content"
    for name in ("Upwell sandbox", "Customers", "Requests", "q", "Search", SOUGHT):
        assert name in reached


def test_the_skip_link_leads_to_the_content(page, loaded):
    page.goto(loaded.root)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    page.wait_for_function(
        "() => document.querySelector('.skip').getBoundingClientRect().top >= 0"
    )
    page.keyboard.press("Enter")

    assert skip.count() == 1
    assert page.evaluate("document.activeElement.id") == "content"


# Every text that a phone would show in part: beyond its box, or beyond the window.
CUT_OFF = """() => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const cut = [];
  while (walk.nextNode()) {
    const text = walk.currentNode.textContent.trim();
    const element = walk.currentNode.parentElement;
    if (!text || element.closest(".hidden,thead,.skip")) continue;
    const range = document.createRange();
    range.selectNodeContents(walk.currentNode);
    for (const box of range.getClientRects())
      if (box.left < 0 || box.right > innerWidth) cut.push(text);
    for (let e = element; e; e = e.parentElement)
      if (getComputedStyle(e).overflowX !== "visible" && e.scrollWidth > e.clientWidth)
        cut.push(text);
  }
  return cut;
}"""


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_narrow_window_cuts_nothing_off(page, loaded, width):
    page.set_viewport_size({"width": width, "height": 640})
    for address in addresses(loaded):
        page.goto(f"{loaded.root}{address}")

        assert page.evaluate("document.documentElement.scrollWidth") == width, address
        assert page.evaluate(CUT_OFF) == [], address


def test_a_phone_shows_the_e_mail_address(page, loaded):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{loaded.root}/?q=ceramics")

    assert page.get_by_text("new@x.example").is_visible()
    assert page.get_by_role("cell", name="new@x.example").count() == 1


def test_a_refused_request_is_found_and_says_why(page, loaded):
    page.goto(loaded.root)
    page.get_by_role("link", name="2", exact=True).click()
    page.get_by_role("heading", name="Refused requests").wait_for()
    page.get_by_role("row").nth(1).get_by_role("link").click()

    page.get_by_role("heading", name="Why it was refused").wait_for()
    assert page.get_by_text("but found 'USA'").first.is_visible()
    row = page.get_by_role("row", name="B none")
    assert row.get_by_text("this one").is_visible()


@pytest.fixture
def file_view(tmp_path):
    """The address of the rejects file of a run whose sandbox is left up."""
    rejects = tmp_path / "rejects.jsonl"
    record = {"id": "x" * 300, "deep": {"er": {"still": [{"on": "y" * 300}]}}}
    rejects.write_text(f"{json.dumps(record)}\ntorn {'z' * 300}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "target_upwell.sandbox", "run", "--keep", "--", "true"],
        env={**os.environ, "TARGET_UPWELL_REJECTS_PATH": str(rejects)},
        # Apart from a terminal, which would send Ctrl-C here as well.
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        said = next(line for line in process.stderr if "until Ctrl-C" in line)
        yield f"{said.split()[-1]}?file=rejects"
        process.terminate()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_file_of_the_run_reads_well(chromium, file_view, width):
    with chromium.new_page(viewport={"width": width, "height": 800}) as page:
        page.goto(file_view)

        page.get_by_role("heading", name="Rejects", level=1).wait_for()
        assert page.get_by_role("main").get_by_role("listitem").count() >= 2
        assert page.evaluate(STRUCTURE) == SOUND
        assert page.evaluate(FAINT) == [True, []]
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(CUT_OFF) == []
