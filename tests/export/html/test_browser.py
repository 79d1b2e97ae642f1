"""The report in a browser: opens without a complaint, and does what it says. Skipped where there is no Chromium."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from inspector.export.html.page import page
from inspector.protocol.registry import default
from inspector.report.recording import Recording
from inspector.store.writer import Writer
from tests.conversation import Conversation, dispatch, usual
from tests.export.html.browser import Browser, found
from tests.export.html.reading import Read

SAMPLES = Path(__file__).parents[3] / "sample_captures"
# Milliseconds in which 100,000 rows are there, on a machine with nothing else to do.
BUDGET = 2_000

pytestmark = pytest.mark.skipif(found() is None, reason="there is no Chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as one:
        yield one


def report(capture: Path, target: Path) -> Path:
    with closing(Recording(capture, default())) as recording:
        target.write_bytes(b"".join(page(recording, [capture.name])))
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def call(folder: Path) -> Path:
    return report(SAMPLES / "dave-call.gwcap", folder / "call.html")


@pytest.fixture(scope="module")
def blocked(folder: Path) -> Path:
    return report(SAMPLES / "blocked-loop.gwcap", folder / "blocked.html")


@pytest.fixture(scope="module")
def large(folder: Path) -> Path:
    writer = Writer(folder / "large.gwcap", default(), made_by="test")
    talk = usual()
    writer.write(talk.happenings)
    for start in range(0, 100_000, 1_000):
        talk.happenings.clear()
        for number in range(start, start + 1_000):
            name = ("MESSAGE_CREATE", "PRESENCE_UPDATE", "TYPING_START")[number % 3]
            talk.server(
                dispatch(name, {"id": str(number), "content": f"word{number}", "user": {"id": "7"}}, number + 10)
            )
        writer.write(talk.happenings)
    writer.finish()
    return report(folder / "large.gwcap", folder / "large.html")


def rows(browser: Browser) -> list[str]:
    """Return the texts of the rows that are drawn."""
    texts = browser.evaluate("[...document.querySelectorAll('#rows .row')].map((row) => row.innerText)")
    return [" ".join(text.split()) for text in texts]


def filtered(browser: Browser, text: str) -> str:
    """Filter, and return how many rows are said to pass."""
    browser.evaluate(
        f"document.getElementById('filter').value = {text!r}; document.getElementById('filter').form.requestSubmit()"
    )
    return str(browser.evaluate("document.getElementById('found').textContent"))


@pytest.mark.parametrize("name", [path.stem for path in sorted(SAMPLES.glob("*.gwcap"))])
@pytest.mark.parametrize("dark", [False, True])
def test_it_opens_without_a_complaint(browser: Browser, tmp_path: Path, name: str, dark: bool) -> None:
    browser.open(report(SAMPLES / f"{name}.gwcap", tmp_path / "x.html"), dark=dark)
    assert browser.problems == []
    assert rows(browser)


def test_the_policy_keeps_what_is_not_its_own_from_running(browser: Browser, blocked: Path) -> None:
    """Should markup ever get in, it can do nothing: the net below the escaping."""
    browser.open(blocked)
    for script in (
        "const own = document.createElement('script'); own.textContent = 'window.ran = 1'; document.body.append(own)",
        "document.body.insertAdjacentHTML('beforeend', '<p onclick=\"window.ran = 1\" id=evil style=\"color: red\">')",
        "document.getElementById('evil').click()",
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"data:image/gif;base64,R0lGODlhAQABAAAAACw=\">')",
    ):
        browser.evaluate(f"{{ {script} }}")
    assert browser.evaluate("window.ran") is None
    assert browser.evaluate("getComputedStyle(document.getElementById('evil')).color") != "rgb(255, 0, 0)"
    browser.wait("document.images[0].complete")
    assert browser.evaluate("document.images[0].naturalWidth") == 0
    assert len([text for text in browser.problems if "Content Security Policy" in text]) >= 4


def test_text_that_is_markup_stays_text(browser: Browser, tmp_path: Path) -> None:
    talk = usual()
    evil = "</script><img src=x onerror=alert(1)><svg onload=alert(1)>"
    talk.server(dispatch(evil, {"content": evil, evil: [evil, {"x": evil}]}, 50))
    writer = Writer(tmp_path / "x.gwcap", default(), made_by="test")
    writer.write(talk.happenings)
    writer.finish()
    browser.open(report(tmp_path / "x.gwcap", tmp_path / "x.html"))
    (row,) = [number for number, row in Read((tmp_path / "x.html").read_bytes()).rows.items() if row["name"] == evil]
    browser.evaluate(f"location.hash = '#r{row}'")
    browser.wait("document.querySelector('.json') !== null")
    assert evil in browser.evaluate("document.querySelector('.json').textContent")
    assert browser.evaluate("document.querySelectorAll('img, [onload], [onerror]').length") == 0
    assert browser.problems == []


Row = dict[str, Any]


def said(row: Row) -> str:
    return " ".join([row["name"], row["summary"], *(f"{found[1]} {found[2]}" for found in row["findings"])]).lower()


def noticed(row: Row, *levels: str) -> bool:
    return any(found[0] in levels for found in row["findings"])


FILTERS: dict[str, Callable[[Row], bool]] = {
    "heartbeat": lambda row: "heartbeat" in said(row),
    "op:10": lambda row: row["op"] == "10",
    "op:1,11": lambda row: row["op"] in ("1", "11"),
    "op:1 dir:send": lambda row: row["op"] == "1" and row["sort"] == "send",
    "event:message_*": lambda row: row["name"].startswith("MESSAGE_"),
    "conn:2": lambda row: row["connection"] == 2,
    "kind:close": lambda row: row["kind"] == "close",
    "finding:error": lambda row: noticed(row, "error"),
    "finding:warn": lambda row: noticed(row, "error", "warn"),
    "finding:late": lambda row: any("late" in found[1] for found in row["findings"]),
    "row:3-5,9": lambda row: row["n"] in (3, 4, 5, 9),
    "row:>30": lambda row: row["n"] > 30,
    "bytes:>=0.1k": lambda row: row["wire_bytes"] >= 100,
    "seq:<=1": lambda row: 0 <= row["seq"] <= 1,
    '"tea castle"': lambda row: "tea castle" in said(row),
    "-op:0 -kind:open": lambda row: row["op"] != "0" and row["kind"] != "open",
    "plane:voice": lambda row: row["plane"] == "voice",
    "no:such": lambda row: False,
    "": lambda row: True,
}


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_lets_pass_what_it_says(browser: Browser, blocked: Path, text: str) -> None:
    if browser.path != blocked:
        browser.open(blocked)
    passing = sum(map(FILTERS[text], Read(blocked.read_bytes()).rows.values()))
    assert filtered(browser, text) == (f"{passing} of 35 rows" if text else "35 rows")
    assert len(rows(browser)) <= passing


def test_a_filter_finds_texts_in_payloads(browser: Browser, blocked: Path) -> None:
    browser.open(blocked)
    filtered(browser, "payload:heartbeat_interval")
    browser.wait("document.getElementById('found').textContent === '2 of 35 rows'")
    assert ["Hello" in row for row in rows(browser)] == [True, True]
    assert filtered(browser, "payload:heartbeat_interval conn:2") == "1 of 35 rows"


def test_a_name_filters_the_timeline_by_itself(browser: Browser, blocked: Path) -> None:
    browser.open(blocked)
    for where, expected in (
        ("#sessions a.filter", "26 of 35 rows"),
        ("#sizes a.filter", "2 of 35 rows"),
        ("#cases a.filter", "1 of 35 rows"),
    ):
        browser.evaluate(f"document.querySelector('{where}').click()")
        assert browser.evaluate("document.getElementById('found').textContent") == expected
    browser.evaluate("location.hash = '#r29'")
    browser.wait("document.querySelector('.detail .json') !== null")
    browser.evaluate("[...document.querySelectorAll('.detail [data-filter]')].at(-1).click()")
    assert browser.evaluate("document.getElementById('filter').value") == 'event:"Identify"'
    assert browser.evaluate("document.getElementById('found').textContent") == "2 of 35 rows"
    assert browser.problems == []


def test_a_browser_that_cannot_inflate_keeps_the_plain_table(browser: Browser, blocked: Path, tmp_path: Path) -> None:
    browser.open(blocked)
    script = browser.ask("Page.addScriptToEvaluateOnNewDocument", source="delete window.DecompressionStream")
    browser.ask("Page.reload")
    browser.wait("typeof DecompressionStream === 'undefined' && document.readyState === 'complete'")
    assert browser.evaluate("document.getElementById('virtual').hidden && !document.getElementById('plain').hidden")
    browser.ask("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])
    assert browser.problems == []


def test_evidence_leads_to_its_row_and_unfolds_it(browser: Browser, blocked: Path) -> None:
    browser.open(blocked)
    filtered(browser, "op:10")
    link = "document.querySelector('.case dd [href^=\"#r\"]')"
    row = browser.evaluate(f"{link}.hash")
    browser.evaluate(f"{link}.click()")
    browser.wait("document.querySelector('.detail .json') !== null")
    assert browser.evaluate("document.querySelector('.row.current').id") == f"v{row[2:]}"
    place = browser.evaluate("document.querySelector('.row.current').getBoundingClientRect().top")
    assert 0 < place < 900
    assert browser.evaluate("document.getElementById('found').textContent") == "35 rows"


def test_a_link_to_a_row_opens_there(browser: Browser, blocked: Path) -> None:
    browser.open(blocked, row=26)
    browser.wait("document.querySelector('.detail') !== null")
    text = browser.evaluate("document.querySelector('.detail').innerText")
    assert "close-4009" in text
    assert "Session timed out" in text


def test_a_payload_keeps_every_digit_and_every_escape(browser: Browser, tmp_path: Path) -> None:
    talk = Conversation("etf").opens()
    talk.server({"op": 0, "t": "X", "s": 1, "d": {"id": 1180000000000000042, "mark": "\u202e", "half": 0.1}})
    writer = Writer(tmp_path / "x.gwcap", default(), made_by="test")
    writer.write(talk.happenings)
    writer.finish()
    browser.open(report(tmp_path / "x.gwcap", tmp_path / "x.html"), row=2)
    browser.wait("document.querySelector('.json') !== null")
    text = browser.evaluate("document.querySelector('.json').innerText")
    assert "1180000000000000042" in text
    assert '"\\u202e"' in text
    assert "0.1" in text


def test_keys_move_unfold_and_filter(browser: Browser, blocked: Path) -> None:
    browser.open(blocked)
    browser.press("n")
    assert browser.evaluate("document.querySelector('.row.current').id") == "v16"
    browser.press("j")
    browser.press("Enter")
    browser.wait("document.querySelector('.detail') !== null")
    assert browser.evaluate("document.querySelector('[aria-expanded=true]').id") == "v17"
    browser.press("Escape")
    assert browser.evaluate("document.querySelector('.detail')") is None
    browser.press("/")
    assert browser.evaluate("document.activeElement.id") == "filter"
    browser.press("Escape")
    browser.press("Escape")
    browser.press("G")
    assert browser.evaluate("document.querySelector('.row.current').id") == "v35"
    assert browser.problems == []


def test_light_and_dark_can_be_switched(browser: Browser, blocked: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    browser.open(blocked, dark=True)
    dark = browser.evaluate(ground)
    browser.press("t")
    light = browser.evaluate(ground)
    assert (dark, light) == ("rgb(20, 23, 28)", "rgb(255, 255, 255)")
    browser.open(blocked)
    assert browser.evaluate(ground) == light


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_wider_than_the_screen(browser: Browser, call: Path, width: int) -> None:
    browser.open(call, width=width, height=800)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_it_can_be_read_without_a_script(browser: Browser, blocked: Path) -> None:
    browser.open(blocked, scripts=False)
    # Asking takes no script of the page.
    document = browser.ask("DOM.getDocument", depth=0)["root"]["nodeId"]
    node = browser.ask("DOM.querySelector", nodeId=document, selector="#r26")["nodeId"]
    assert browser.ask("DOM.getBoxModel", nodeId=node)["model"]["height"] > 20
    for hidden in ("#virtual", "#controls", "#help", "#theme"):
        node = browser.ask("DOM.querySelector", nodeId=document, selector=hidden)["nodeId"]
        with pytest.raises(AssertionError, match="box model"):
            browser.ask("DOM.getBoxModel", nodeId=node)
    assert browser.problems == []


def test_on_paper_it_has_the_plain_table(browser: Browser, blocked: Path, tmp_path: Path) -> None:
    browser.open(blocked, dark=True)
    browser.ask("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate("getComputedStyle(document.getElementById('plain')).display") == "block"
    assert browser.evaluate("getComputedStyle(document.getElementById('virtual')).display") == "none"
    assert browser.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    browser.printed(tmp_path / "x.pdf")
    assert (tmp_path / "x.pdf").read_bytes().startswith(b"%PDF")


def test_a_hundred_thousand_rows_stay_usable(browser: Browser, large: Path) -> None:
    browser.open(large)
    took = browser.evaluate("performance.now()")
    # A busy machine may take its time; what would be too slow on an idle one is an order of magnitude away.
    assert took < 10 * BUDGET
    assert browser.evaluate("document.querySelectorAll('#rows .row').length") < 100
    total = browser.evaluate("document.getElementById('found').textContent")
    assert int(total.split()[0].replace(",", "")) > 100_000
    assert filtered(browser, "word99999").startswith("1 of ")
    browser.evaluate("location.hash = '#r60000'")
    browser.wait("document.querySelector('.row.current')?.id === 'v60000'")
    browser.wait("document.querySelector('.detail .json') !== null")
    assert "word" in browser.evaluate("document.querySelector('.detail').innerText")
    assert len(rows(browser)) < 100
    assert browser.problems == []
