"""The page, as a browser shows it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from nmt_ablation.artifact import MANIFEST, SEALS
from nmt_ablation.files import sha256
from tests.conftest import Run

BROWSER = "chromium"
ATTACK = '<img src="x" onerror="window.hacked = 1"><script>window.hacked = 1</script>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if shutil.which(BROWSER) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", BROWSER]
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        if subprocess.run(install, env=environment, capture_output=True).returncode:
            subprocess.run(["apt-get", "update", "-qq"], capture_output=True)
            subprocess.run(install, env=environment, capture_output=True)
    program = shutil.which(BROWSER)
    if program is None:
        pytest.skip(f"there is no {BROWSER}, and it can't be installed here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run in which one translation is an attack."""
    folder = tmp_path_factory.mktemp("page")
    workspace = folder / "workspace"
    shutil.copytree(finished.workspace_root, workspace)
    for cell in finished.pipeline.experiment.cells():
        stage = finished.pipeline.translate(cell, "test")
        path = Run(finished.file, workspace, finished.mirror).workspace.file(stage.hypotheses)
        before = sha256(path)
        path.write_text("".join(f"{ATTACK} {line}\n" for line in path.read_text().splitlines()))
        manifest = path.parent / MANIFEST
        manifest.write_text(manifest.read_text().replace(before, sha256(path)))
        (path.parent / SEALS).unlink()
    run = Run(finished.file, workspace, finished.mirror)
    result = run.call("report", "--out", str(folder))
    assert result.returncode == 0, result.stderr
    return folder / "tiny.html"


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    yield page
    assert said == []
    assert [url for url in asked if url != report.as_uri()] == []  # it opens offline
    page.close()


def test_it_opens_with_the_verdict_and_has_all_that_bears_it_out(page: Page) -> None:
    verdict = page.locator(".verdict")
    assert "Against random" in verdict.inner_text()
    box = verdict.bounding_box()
    assert box is not None and box["y"] < 200
    headings = page.locator("h3").all_inner_texts()
    tables = ["Curves", "Means", "Arms against each other", "Verdicts by bits/character", "Cells"]
    assert headings[:5] == tables
    for heading in ("Translations", "How the data came about", "Made by", "Cite"):
        assert heading in headings
    assert page.locator("table").nth(4).locator("tbody tr").count() == 8
    assert "nmt-ablation report" in page.locator("pre").inner_text()
    assert page.locator("mark").count() > 0


def test_text_of_a_corpus_is_shown_and_never_run(page: Page) -> None:
    assert "onerror" in page.locator("dl").first.inner_text()
    assert page.evaluate("window.hacked") is None
    assert page.locator("dl img, dl script").count() == 0


def test_a_table_sorts_by_mouse_and_keyboard(page: Page) -> None:
    table = page.locator("table").nth(4)

    def bleu() -> list[float]:
        return [float(text) for text in table.locator("tbody td:nth-child(4)").all_inner_texts()]

    button = table.get_by_role("button", name="BLEU", exact=True)
    button.click()
    assert bleu() == sorted(bleu())
    assert button.locator("..").get_attribute("aria-sort") == "ascending"
    button.focus()
    page.keyboard.press("Enter")
    assert bleu() == sorted(bleu(), reverse=True)


def test_points_have_tips_that_the_keyboard_reaches_and_arms_can_be_hidden(page: Page) -> None:
    point = page.locator("figure path.point").first
    tip = page.locator("#tip")
    point.hover()
    assert "50 pairs, seed 1" in tip.inner_text() and "BLEU" in tip.inner_text()
    page.keyboard.press("Escape")
    assert tip.is_hidden()
    point.focus()
    assert tip.is_visible()
    button = page.get_by_role("button", name="random").first
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    assert page.locator("g[data-arm=random]").first.is_hidden()
    assert page.locator("g[data-arm=frozen]").first.is_visible()


def test_arms_stand_beside_each_other_with_their_intervals_inside_the_picture(page: Page) -> None:
    chart = page.locator("figure svg").first
    picture = chart.bounding_box()
    assert picture is not None
    left = set[int]()
    arms = chart.locator("g[data-arm]").all()
    for arm in arms:
        first = arm.locator("path.point").first.bounding_box()
        assert first is not None and arm.locator(".band").count() == 1
        left.add(round(first["x"]))
        box = arm.bounding_box()
        assert box is not None and box["x"] >= picture["x"]
        assert box["x"] + box["width"] <= picture["x"] + picture["width"]
    assert len(left) == len(arms) > 1


def test_it_fits_a_phone_and_the_dark(browser: Browser, report: Path) -> None:
    page = browser.new_page(viewport={"width": 375, "height": 700}, color_scheme="dark")
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    ground, ink = (
        page.evaluate(f"getComputedStyle(document.body).{name}")
        for name in ("backgroundColor", "color")
    )
    assert (ground, ink) == ("rgb(22, 24, 27)", "rgb(236, 236, 236)")
    assert len(page.screenshot()) > 10_000
    page.close()
