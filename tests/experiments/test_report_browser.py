"""The report in a real browser: Debian's Chromium, driven by Playwright."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from reports import HOSTILE, make_records

from experiments.commands.analyse import report, site
from experiments.files.tables import format_percent
from experiments.record_files.record_file import read_record

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here, so the report was not opened in a browser: apt-get install chromium"
)

Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of three records."""
    folder = tmp_path_factory.mktemp("report")
    report.main([*map(str, make_records(folder)), f"--output={folder / 'report.html'}"])
    return folder / "report.html"


@pytest.fixture
def opened(browser: "Browser") -> Iterator[Open]:
    """Opens a page without a network; at the end the console must have said nothing."""
    complaints: list[str] = []
    contexts = []

    def open_page(path: Path, **settings: Any) -> "Page":
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        contexts.append(context)
        context.route(
            "**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else refuse(route)
        )
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        return page

    def refuse(route: Any) -> None:
        if not route.request.url.startswith("data:"):
            complaints.append(f"asked for {route.request.url}")
        route.abort()

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def read_column(page: "Page", place: int) -> list[str]:
    return page.locator(f"#leaderboard tbody tr > :nth-child({place}) .value").all_inner_texts()


def read_names(page: "Page") -> list[str]:
    return page.locator("#leaderboard tbody th.name").all_inner_texts()


def test_a_click_sorts_numbers_as_numbers(written: Path, opened: Open) -> None:
    page = opened(written)
    assert read_names(page) == ["net 10", "net 9", "net 8"]
    header = page.locator("#leaderboard thead th", has_text=re.compile(r"^\s*retention\s*\S?\s*$"))
    place = 1 + page.locator("#leaderboard thead th").all_inner_texts().index(header.inner_text())
    header.get_by_role("button").click()
    falling = [float(value) for value in read_column(page, place)]
    assert falling == sorted(falling, reverse=True)
    assert header.get_attribute("aria-sort") == "descending"
    header.get_by_role("button").click()
    assert [float(value) for value in read_column(page, place)] == falling[::-1]
    assert header.get_attribute("aria-sort") == "ascending"


def test_names_sort_by_their_numbers_with_the_keyboard(written: Path, opened: Open) -> None:
    page = opened(written)
    page.locator("#leaderboard thead th.name button").focus()
    page.keyboard.press("Enter")
    assert read_names(page) == ["net 8", "net 9", "net 10"]
    page.keyboard.press("Space")
    assert read_names(page) == ["net 10", "net 9", "net 8"]


def describe_fog(written: Path, severity: int) -> str:
    """What the first record's curve says of a severity."""
    record = read_record(written.parent / "r0.json")
    cell = next(cell for cell in record.cells if (cell.corruption, cell.severity) == ("fog", severity))
    low, high = cell.miou_interval.edges
    return f"severity {severity}: {format_percent(cell.miou)} % [{format_percent(low)}, {format_percent(high)}]"


def test_a_curve_says_its_numbers_under_the_pointer(written: Path, opened: Open) -> None:
    page, wanted = opened(written), describe_fog(written, 3)
    chart = page.locator("#robustness .panel", has_text="fog").locator("svg.chart")
    chart.scroll_into_view_if_needed()
    x, y = page.evaluate(
        """([chart, wanted]) => {
            const data = JSON.parse(document.getElementById('data').textContent);
            const point = data.charts[chart.dataset.chart].points.find(([,, record, text]) => text === wanted);
            const matrix = chart.getScreenCTM();
            return [point[0] * matrix.a + matrix.e, point[1] * matrix.d + matrix.f];
        }""",
        [chart.element_handle(), wanted],
    )
    tip = page.locator("#tip")
    assert tip.is_hidden()
    page.mouse.move(x, y)
    assert tip.inner_text() == f"net 10\nfog, {wanted}"
    page.mouse.move(2, 2)
    assert tip.is_hidden()


def test_a_curve_says_its_numbers_to_the_keyboard(written: Path, opened: Open) -> None:
    page = opened(written)
    tip = page.locator("#tip")
    page.locator("#robustness-title").click()
    for _ in range(40):  # to the first chart of the section, whatever stands before it
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('svg.chart')"):
            break
    for severity in range(1, 4):
        page.keyboard.press("ArrowRight")
        assert tip.inner_text() == f"net 10\nfog, {describe_fog(written, severity)}"
    page.keyboard.press("ArrowDown")
    assert tip.inner_text().startswith("net 9\nfog, severity 3")
    page.keyboard.press("Escape")
    assert tip.is_hidden()


def test_the_heat_map_says_its_numbers(written: Path, opened: Open) -> None:
    page = opened(written)
    cell = page.locator("#heat td[data-tip]").first
    cell.hover()
    assert page.locator("#tip").inner_text().startswith("net 10\n")
    assert "%" in page.locator("#tip").inner_text()


def test_the_legend_hides_a_record(written: Path, opened: Open) -> None:
    page = opened(written)
    drawn = page.locator("#robustness svg g[data-record='1']")
    assert drawn.first.is_visible()
    chip = page.locator("[data-toggle='1']")
    chip.click()
    assert chip.get_attribute("aria-pressed") == "false"
    assert not any(one.is_visible() for one in drawn.all())
    assert not page.locator("#reliability article[data-record='1']").is_visible()
    page.get_by_role("button", name="All").click()
    assert drawn.first.is_visible()
    page.get_by_role("button", name="None").click()
    assert not any(one.is_visible() for one in page.locator("#robustness svg g[data-record]").all())


@pytest.mark.parametrize("width", [360, 768])
def test_a_phone_shows_all_of_it(written: Path, opened: Open, width: int) -> None:
    page = opened(written, viewport={"width": width, "height": 740}, has_touch=True)
    for details in page.locator("details").all():
        details.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    board = page.locator("#leaderboard .scroll")
    assert board.evaluate("element => element.scrollWidth > element.clientWidth")


def test_dark_mode(written: Path, opened: Open) -> None:
    def lightness(scheme: str) -> tuple[float, float]:
        page = opened(written, color_scheme=scheme)
        style = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        ground, ink = (sum(map(float, colour[4:-1].split(",")[:3])) / 765 for colour in style)
        return ground, ink

    ground, ink = lightness("light")
    assert ground > 0.9
    assert ink < 0.3
    ground, ink = lightness("dark")
    assert ground < 0.2
    assert ink > 0.7


def test_pictures_are_drawn(written: Path, opened: Open) -> None:
    page = opened(written)
    page.locator("#pictures").scroll_into_view_if_needed()
    sizes = page.locator("#pictures img").evaluate_all(
        "images => images.map(one => [one.naturalWidth, one.naturalHeight])"
    )
    assert sizes == [[108, 24]] * 3


def test_hostile_names_do_not_run(tmp_path: Path, opened: Open) -> None:
    report.main([*map(str, make_records(tmp_path, HOSTILE)), f"--output={tmp_path / 'x.html'}", "--title=Calm"])
    page = opened(tmp_path / "x.html")
    page.locator("#robustness svg.chart").first.hover()
    page.locator("#heat td[data-tip]").first.hover()
    assert page.title() == "Calm"
    assert sorted(read_names(page)) == sorted(HOSTILE)


def test_a_site_is_walked_through(tmp_path: Path, opened: Open) -> None:
    """From the index to a leaderboard, to a record and back, on a phone too; nothing runs or is asked from elsewhere."""
    make_records(tmp_path / "results", ("net 10", *HOSTILE))
    site.main([str(tmp_path / "results"), f"--output={tmp_path / 'site'}"])
    page = opened(tmp_path / "site" / "index.html", viewport={"width": 400, "height": 740})
    page.get_by_role("link", name="test v1").click()
    assert read_names(page) == ["net 10", *HOSTILE]
    page.get_by_role("link", name=HOSTILE[0]).click()
    assert page.locator("h1").inner_text() == HOSTILE[0] == page.title()
    assert "Rank 2 of 3" in page.locator("header").inner_text()
    assert page.locator(".checks tbody tr").count() == 5
    for _ in range(3):
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.locator("nav.trail a").last.click() if page.locator("nav.trail a").count() else None
    page.get_by_role("link", name="How to submit").click()
    assert "collect mine.json" in page.locator("main").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
