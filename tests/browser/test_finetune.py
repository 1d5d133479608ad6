"""The Fine-tune tab in Chromium, on the real backbone: train, stop, go on, compare, export."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from support.serving import Served
from support.visitor import Visitor, visiting

#: How long a step of training, a map or an export may take on a busy machine.
LONG_MS = 150_000
STEPS_SHOWN = (
    "(document.querySelector('#train-loss .fig-plot')?.data?.find(t => t.name === 'loss')"
    "?.x.length ?? 0)"
)


def fill_form(visitor: Visitor, **numbers: object) -> None:
    """Open the tab and write these numbers into the form; nothing is scored."""
    visitor.shows()
    visitor.tab("Fine-tune")
    expect(visitor.page.locator("#train-plan")).to_contain_text("steps of")
    visitor.unfold("More settings", "#train-more")
    for name, value in numbers.items():
        box = visitor.page.locator(f"#train-{name.replace('_', '-')} input")
        box.fill(str(value))
        box.blur()
    visitor.page.locator("#train-score input").uncheck()


def wait_for_state(visitor: Visitor, state: str) -> None:
    expect(visitor.page.locator(".train-status")).to_have_attribute(
        "data-state", re.compile(state), timeout=LONG_MS
    )


def wait_for_figure(visitor: Visitor, figure: str) -> None:
    picture = visitor.page.locator(f"#{figure} .fig-plot .main-svg").first
    expect(picture).to_be_visible(timeout=LONG_MS)


def test_train_stop_go_on_compare_export_and_import(browser: Browser, served: Served) -> None:
    with visiting(browser, served.url) as visitor:
        page = visitor.page
        fill_form(visitor, steps=500, batch=2, held_out=4, evaluate_every=100)
        expect(page.locator("#train-plan")).to_contain_text("500 steps of 2 pairs")
        assert "causal/eos" in visitor.text("#train-what")
        about = visitor.text("#train-about-data")
        assert "6 left out because they stand in an evaluation corpus" in about
        assert "in-domain for STS benchmark" in about
        page.locator("#train-start").click()
        wait_for_state(visitor, "training")
        wait_for_figure(visitor, "train-loss")
        page.wait_for_function(f"{STEPS_SHOWN} >= 2", timeout=LONG_MS)  # the curve moves

        # The training goes on while the page is closed.
        visitor.reload()
        expect(page.get_by_role("tab", name="Fine-tune", selected=True)).to_be_visible()
        expect(page.locator(".train-status")).to_contain_text("my-run")
        page.locator("#train-stop").click()
        wait_for_state(visitor, "stopped")
        before = page.evaluate(STEPS_SHOWN)
        page.locator("#train-go-on").click()
        page.wait_for_function(f"{STEPS_SHOWN} > {before}", timeout=LONG_MS)
        page.locator("#train-stop").click()
        wait_for_state(visitor, "stopped")
        wait_for_figure(visitor, "train-movement")
        expect(page.locator("#train-movement .fig-caption")).to_contain_text("160 texts")
        expect(page.locator("#train-queries li").first).to_contain_text("before:")

        # The other tabs offer it as a model.
        page.locator("#model-b input").click()
        expect(page.get_by_role("option").filter(has_text="my-run")).to_be_visible()
        page.keyboard.press("Escape")
        page.locator("#train-compare").click()
        visitor.titled("b", "smollm2-135m + my-run")
        expect(page.locator(".design-a .lm-title")).to_contain_text("causal/eos")
        assert "my-run" not in visitor.text(".design-a .lm-title")

        visitor.tab("Fine-tune")
        page.locator("#export-make").click()
        expect(page.locator("#export-download")).to_be_visible(timeout=LONG_MS)
        assert "largest difference" in visitor.text("#export-check")
        with page.expect_download() as download:
            page.locator("#export-download").click()
        archive = download.value.path()
        with zipfile.ZipFile(archive) as opened:
            assert {"run.json", "adapter/adapter_model.safetensors"} <= set(opened.namelist())
        copy = Path(archive).with_suffix(".zip")
        copy.write_bytes(Path(archive).read_bytes())
        visitor.unfold("Import an adapter", "#train-import")
        page.locator("#train-import input[type=file]").set_input_files(copy)
        expect(page.locator(".train-status")).to_contain_text("imported from an archive")


def upload(visitor: Visitor, path: Path, text: str) -> None:
    path.write_text(text)
    clear = visitor.page.locator("#train-upload").get_by_label("Clear")
    if clear.count():
        clear.first.click()
    visitor.page.locator("#train-upload input[type=file]").set_input_files(path)
    expect(visitor.page.locator("#train-use")).to_be_visible()
    expect(visitor.page.locator("#train-anchor input")).not_to_have_value("")


@pytest.mark.slow
def test_what_cannot_be_trained_is_refused_in_a_sentence(
    browser: Browser, served: Served, tmp_path: Path
) -> None:
    with visiting(browser, served.url) as visitor:
        page = visitor.page
        fill_form(visitor, steps=2, batch=2, held_out=0)
        visitor.fits()
        page.locator("#train-data").get_by_text("Your own file").click()
        page.locator("#train-start").click()
        assert "no pairs of yours yet" in visitor.toast()
        upload(visitor, tmp_path / "one.csv", "query,answer\nwho are you,nobody\n")
        page.locator("#train-use").click()
        assert "one pair" in visitor.toast()
        upload(visitor, tmp_path / "two.csv", "query,answer\nwho are you,nobody\nwhy,because\n")
        visitor.choose("train-positive", "query")
        page.locator("#train-use").click()
        assert "chosen twice" in visitor.toast()
        visitor.choose("train-positive", "answer")
        page.locator("#train-use").click()
        expect(page.locator("#train-about-data")).to_contain_text("2 pairs")

        page.locator("#train-mode").get_by_text("Head only").click()
        expect(page.locator("#train-plan")).to_contain_text("has no trainable head")
        page.locator("#train-start").click()
        assert "has no trainable head" in visitor.toast()
        page.locator("#train-mode").get_by_text("LoRA:").click()
        page.locator("#train-steps input").fill("0")
        page.locator("#train-start").click()
        assert "steps is 0" in visitor.toast()

        # A learning rate far too high ends well or in a sentence, never in a traceback.
        page.locator("#train-steps input").fill("3")
        page.locator("#train-lr input").fill("10")
        page.locator("#train-start").click()
        wait_for_state(visitor, "done|failed")
        if "failed" in visitor.text(".train-line"):
            assert "Choose a lower learning rate" in visitor.text(".train-status")
    assert "Traceback" not in served.log.read_text()


def test_the_form_fits_a_phone(browser: Browser, served: Served) -> None:
    with visiting(browser, served.url, 390, "dark") as visitor:
        fill_form(visitor)
        visitor.fits()
