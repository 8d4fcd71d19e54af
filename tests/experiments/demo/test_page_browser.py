"""The page in a real browser: Debian's Chromium, driven by Playwright, with a server in a process of its own."""

import re
import shutil
import signal
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from PIL import Image
from processes import end_all, list_listening_addresses, start

from datamodules.datasets.synthetic import name_classes
from experiments.evaluation.scores.overlap import mean_iou
from experiments.files.tables import format_percent
from experiments.record_files.record_file import open_record

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LOOPBACK = "0100007F"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here, so the page was not opened in a browser: apt-get install chromium"
)


@pytest.fixture(scope="module")
def hostile(make_checkpoint: Callable[..., Path]) -> Path:
    """A second network, in a folder whose name is markup."""
    return make_checkpoint("<img src=x onerror=alert(1)>${1}", classes=name_classes(5), size=[64, 64])


@pytest.fixture(scope="module")
def address(tiny_run: Path, hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page of two networks is served; at the end nothing is left of what was uploaded."""
    temporary = tmp_path_factory.mktemp("temporary")
    words = ["demo", f"--checkpoint={tiny_run / 'best.ckpt'}", "--checkpoint", hostile, "--suite=smoke", "--port=0"]
    variables = {"GRADIO_SHARE": "True", "GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_ALLOWED_PATHS": "/"}
    server = start(*words, "--device=cpu", TMPDIR=str(temporary), **variables)
    assert server.stdout is not None
    said: list[str] = []
    for line in server.stdout:
        said.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            break
    else:
        pytest.fail("".join(said))
    assert list_listening_addresses(server.pid) == {LOOPBACK}
    yield found[0]
    assert [*temporary.rglob("*.png")]
    server.terminate()
    assert server.wait(60) == 128 + signal.SIGTERM
    end_all()
    assert [*temporary.rglob("*.png")] == []


@pytest.fixture
def page(address: str) -> Iterator["Page"]:
    """The page, opened without any other network; at the end nothing was asked for elsewhere, and no script has failed."""
    from playwright.sync_api import sync_playwright

    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1440, "height": 1000})
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
        opened.on(
            "request",
            lambda request: (
                complaints.append(request.url)
                if not request.url.startswith((f"{address}/", "data:", "blob:"))
                else None
            ),
        )
        opened.goto(address)
        opened.wait_for_selector("#scores td")
        yield opened
        browser.close()
    assert complaints == []


def read_picture(page: "Page", name: str) -> np.ndarray:
    """The pixels of a picture of the page."""
    url = page.locator(f"#{name} img").get_attribute("src")
    return np.asarray(Image.open(BytesIO(httpx.get(str(url)).content)).convert("RGB"))


def choose(page: "Page", control: str, option: str) -> None:
    page.locator(f"#{control} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def set_severity(page: "Page", severity: int) -> None:
    page.locator("#severity input[type=range]").fill(str(severity))


def wait_for(page: "Page", part: str, text: str) -> None:
    page.wait_for_function(
        "([part, text]) => document.querySelector(part)?.innerText.includes(text)", arg=[f"#{part}", text]
    )


def upload(page: "Page", path: Path) -> None:
    """Upload a file in the place of another."""
    for button in page.locator("#upload button[aria-label='Clear']").all():
        button.click()
    page.locator("#upload input[type=file]").set_input_files(path)


def write_uploads(folder: Path) -> dict[str, str]:
    """Files that are no image of these networks, with what the page says of each."""
    Image.fromarray(np.full((64, 64), np.nan, np.float32)).save(folder / "nan.tiff")
    Image.new("1", (5000, 5000)).save(folder / "huge.png")
    np.save(folder / "five.npy", np.zeros((64, 64, 5), np.uint8))
    (folder / "<b>.png").write_text("no image")
    return {
        "nan.tiff": "levels of type float32",
        "huge.png": "has 5000 x 5000 pixels",
        "five.npy": "has 5 channels",
        "<b>.png": "cannot identify image file",
    }


def test_a_visit(page: "Page", address: str, tiny_run: Path, tiny_record: Path, tmp_path: Path) -> None:
    """From the first image of the test split, by a corruption and its slider, to uploads, good and bad."""
    _, images = open_record(tiny_record)
    assert images is not None
    miou = mean_iou(images.counts["classes"])  # images by conditions: clean, noise 1 and 5, JPEG 1 and 5

    def read_scores() -> list[str]:
        """Those of the network that was swept."""
        return page.locator("#scores tbody tr > td:nth-child(2)").all_inner_texts()

    assert read_scores() == [format_percent(miou[0, 0])]
    assert page.locator("h2").all_inner_texts() == [tiny_run.name, "<img src=x onerror=alert(1)>${1}"]
    assert page.locator("#legend tbody tr").count() == 5
    assert page.locator("#severity input[type=range]").is_disabled()

    choose(page, "corruption", "gaussian noise")
    wait_for(page, "scores", "gaussian noise 3")
    mild, mild_mask = read_picture(page, "image"), read_picture(page, "mask-0")
    set_severity(page, 5)
    wait_for(page, "scores", "gaussian noise 5")
    assert read_scores()[:2] == [format_percent(miou[0, 0]), format_percent(miou[0, 2])]
    assert not np.array_equal(read_picture(page, "image"), mild)
    assert not np.array_equal(read_picture(page, "mask-0"), mild_mask)

    choose(page, "picked", images.ids[4])
    wait_for(page, "scores", format_percent(miou[4, 0]))
    assert read_scores()[:2] == [format_percent(miou[4, 0]), format_percent(miou[4, 2])]

    Image.fromarray(read_picture(page, "image")).save(tmp_path / "mine.png")
    upload(page, tmp_path / "mine.png")
    wait_for(page, "scores", "No mask of this image is known")
    assert page.locator("#picked input").input_value() == ""
    before = read_picture(page, "mask-0")
    choose(page, "corruption", "none")
    page.wait_for_function("() => document.querySelector('#severity input[type=range]').disabled")
    changed = page.locator("#mask-0 img").get_attribute("src")
    assert changed
    choose(page, "corruption", "jpeg compression")
    page.wait_for_function("before => document.querySelector('#mask-0 img').src !== before", arg=changed)
    assert read_picture(page, "mask-0").shape == before.shape == (64, 64, 3)
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert Image.open(tmp_path / "page.png").width == 1440

    for name, words in write_uploads(tmp_path).items():
        upload(page, tmp_path / name)
        wait_for(page, "notice", words)
        assert page.locator("#mask-0 img").count() == 0
    upload(page, tmp_path / "mine.png")
    wait_for(page, "scores", "No mask of this image is known")

    assert httpx.get(f"{address}/", headers={"host": "elsewhere.example"}).status_code == 400
    for place in ("/etc/passwd", str(tiny_run / "best.ckpt"), "README.md"):
        assert httpx.get(f"{address}/gradio_api/file={place}").status_code == 403
