"""Links in Chromium: opened, followed in the open page, copied, and full of nonsense."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from support.serving import Served
from support.visitor import Visitor, visiting

from embedlab.data.tables import own_texts
from embedlab.lab.address import own_corpus

FOLLOW = "link => window.embedlab.openLink(link)"
OPEN_TAB = "[role=tab][aria-selected=true][data-tab-id]"
BANK = ["the bank of the river", "the bank lends money", "a boat on the river", "a new loan"]


@pytest.fixture(scope="module")
def visitor(browser: Browser, served: Served) -> Iterator[Visitor]:
    with visiting(browser, served.url) as visitor:
        settled(visitor)
        yield visitor


def follow(visitor: Visitor, link: str) -> dict[str, str]:
    """Open a link in the page and wait until it has been applied."""
    answer: dict[str, str] = visitor.page.evaluate(FOLLOW, link)
    return answer


def opened(visitor: Visitor, served: Served, link: str) -> dict[str, Any]:
    """The page anew with a link in its address."""
    visitor.page.goto(f"{served.url}{link}")
    return settled(visitor)


def settled(visitor: Visitor) -> dict[str, Any]:
    """Wait until the address that the page was opened with has been applied."""
    visitor.page.wait_for_function("() => window.embedlab")
    detail: dict[str, Any] = visitor.page.evaluate("() => window.embedlab.opened")
    return detail


def search(page: Page) -> str:
    return str(page.evaluate("location.search"))


def value(visitor: Visitor, selector: str) -> str:
    return visitor.page.locator(selector).first.input_value()


def tab(visitor: Visitor) -> str:
    return visitor.page.locator(OPEN_TAB).first.get_attribute("data-tab-id") or ""


#: Links and what a visitor then sees: parts of the page with the words that they have to have.
LINKS: dict[str, dict[str, str]] = {
    "": {"#status": "160 texts"},
    "?b=M5": {"#status": "M5"},
    "?a=causal/mean&b=bidirectional/mean": {"#status": "bidirectional/mean"},
    "?n=40": {"#status": "40 of 160 texts"},
    "?n=40&seed=3": {"#linked-map .fig-caption": "seed 3"},
    "?corpus=trec&n=60": {"#status": "60 of 5,"},
    "?sel=17": {"#neighbours": "Jaccard@10"},
    "?sel=1-20": {"#neighbours": "20 of 160 texts", "#selection": "20 of 160"},
    "?colour=cluster+B": {".lm-legend": "Clusters of B"},
    "?only=1-40": {"#filter-map": "40 of 160 texts"},
    "?q=a+boat+on+the+river": {".lm-count": "10 nearest"},
    "?tab=retrieve": {"#lists": "relevant"},
    "?tab=retrieve&q=a+place+to+borrow+money&k=5": {"#lists": "5"},
    "?tab=similarity&count=10&order=labels": {"#heat-a .fig-caption": "10 texts"},
    "?tab=similarity&scale=rank": {"#heat-a .fig-caption": "Ranks"},
    "?tab=similarity&sel=1-6&texts=selected+on+the+map": {"#heat-a .fig-caption": "6 texts"},
    "?tab=inside&panel=mask": {"#proof-verdict": "Bidirectional"},
    "?tab=inside&panel=mask&first=We+sat+by+the+bank&second=We+sat+by+the+fire": {
        "#proof-causal .fig-caption": "We sat by the fire"
    },
    "?tab=inside&panel=shape&space=centre": {"#shape-table": "rank"},
    "?tab=finetune": {"#train-what": "Trains"},
    "?tab=study": {"#study": "scores"},
    "?a=causal/mean@1&b=causal/last?template=prompteol&n=50": {"#status": "causal/mean@1"},
}


#: A few each time; all of them, some 25 seconds, where slow tests run.
SOME = pytest.param(7, id="some")
ALL = pytest.param(1, id="all", marks=pytest.mark.slow)


@pytest.mark.parametrize("every", [SOME, ALL])
def test_more_than_twenty_links_open_and_show_their_state(visitor: Visitor, every: int) -> None:
    """In one page: each says all that differs from the one before, so nothing of that is left."""
    assert len(LINKS) > 20
    rest = "corpus=senses&n=160&seed=0&a=M1&b=causal/mean&tab=map&sel=&only=&q="
    fields = [pair.partition("=")[0] for pair in rest.split("&")]
    for link, seen in list(LINKS.items())[::every]:
        named = [pair.partition("=")[0] for pair in link[1:].split("&")]
        pairs = dict(zip(fields, rest.split("&"), strict=True))
        more = [pair for name, pair in pairs.items() if name not in named]
        answer = follow(visitor, "&".join(filter(None, [link or "?", *more])))
        assert answer["said"] == "", link
        for selector, words in seen.items():
            expect(visitor.page.locator(selector).first).to_contain_text(words)
        want = re.search(r"tab=(\w+)", link)
        assert tab(visitor) == (want[1] if want else "map"), link


def test_a_link_is_in_the_address_when_the_page_opens_and_afterwards(
    browser: Browser, served: Served
) -> None:
    with visiting(browser, f"{served.url}") as visitor:
        link = "?n=40&b=M5&tab=inside&panel=mask"
        detail = opened(visitor, served, f"{link}&__theme=light")
        assert detail["query"] == link and detail["said"] == ""
        expect(visitor.page.locator("#proof-verdict")).to_contain_text("Bidirectional")
        assert tab(visitor) == "inside" and value(visitor, "#sample input") == "40"
        assert search(visitor.page) == f"{link}&__theme=light"
        # What is done in the page goes into the address, and a reload comes back to it.
        visitor.tab("Map")
        visitor.shows(points="40")
        visitor.click_point("b", 7)
        expect(visitor.page).to_have_url(re.compile(r"\?n=40&b=M5&sel=\d+&__theme=light$"))
        where = search(visitor.page)
        visitor.reload()
        visitor.shows(points="40", selected="7")
        assert search(visitor.page) == where
        expect(visitor.page.locator("#neighbours")).to_contain_text("Jaccard@10")


def test_a_late_report_of_the_first_tabs_does_not_undo_a_link(
    browser: Browser, served: Served
) -> None:
    """Gradio reports tabs that it draws as selected; here that arrives after the link's answer."""
    held: list[Route] = []
    released = False

    def hold(route: Route) -> None:
        value = (route.request.post_data_json.get("event_data") or {}).get("value")
        late = not released and value in ("Map", "Layers")
        held.append(route) if late else route.continue_()

    with visiting(browser, served.url) as visitor:
        visitor.page.route("**/queue/join*", hold)
        link = "?n=40&b=M5&tab=inside&panel=mask&__theme=light"
        opened(visitor, served, link)
        verdict = visitor.page.locator("#proof-verdict")
        expect(verdict).to_contain_text("Bidirectional")
        assert held
        released = True
        for route in held:
            route.continue_()
        visitor.page.wait_for_timeout(1000)
        visitor.idle()
        expect(verdict).to_contain_text("Bidirectional")
        assert tab(visitor) == "inside" and search(visitor.page) == link
        # A visitor's own click counts, also on the first.
        visitor.page.get_by_role("tab", name="Layers", exact=True).click()
        expect(visitor.page).to_have_url(re.compile(r"\?n=40&b=M5&tab=inside&__theme=light$"))
        visitor.tab("Map")
        visitor.shows(points="40")


def test_the_link_is_copied_by_keyboard_and_shown_where_it_cannot_be(
    browser: Browser, served: Served
) -> None:
    with visiting(browser, served.url, width=390) as visitor:
        opened(visitor, served, "?b=M5&__theme=light")
        page = visitor.page
        visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy link").focus()
        page.keyboard.press("Enter")
        expect(page.locator(".link-done")).to_have_text("Copied.")
        assert page.evaluate("navigator.clipboard.readText()") == f"{served.url}?b=M5"
        page.evaluate(
            "() => (navigator.clipboard.writeText = () => Promise.reject(new Error('no')))"
        )
        page.keyboard.press("Enter")
        shown = page.locator(".link-text")
        expect(shown).to_be_focused()
        expect(shown).to_have_value(f"{served.url}?b=M5")
        selection = (
            "() => [document.activeElement.selectionStart, document.activeElement.selectionEnd]"
        )
        assert page.evaluate(selection) == [0, len(f"{served.url}?b=M5")]
        page.keyboard.press("Escape")
        expect(shown).to_be_hidden()
        visitor.fits()


def test_own_texts_are_asked_for_and_the_rest_follows(
    browser: Browser, served: Served, tmp_path: Any
) -> None:
    corpus = own_texts("\n".join(BANK))
    name = own_corpus(corpus.fingerprint, len(BANK))
    with visiting(browser, served.url) as visitor:
        opened(visitor, served, f"?corpus={name}&b=M5&sel=2-3")
        status = visitor.page.locator("#status")
        expect(status).to_contain_text(f"(4 texts, {corpus.fingerprint[:4]}…): open that file")
        assert name in search(visitor.page)
        visitor.paste(BANK)
        visitor.shows(points="4", lasso="2")
        expect(status).to_contain_text("M5")
        expect(visitor.page).to_have_url(re.compile(f"corpus={name}&b=M5&sel=2-3"))
        while visitor.page.get_by_test_id("toast-close").count():
            visitor.toast()


def test_a_teacher_hides_tabs(browser: Browser, served: Served) -> None:
    with visiting(browser, served.url) as visitor:
        detail = opened(visitor, served, "?hide=finetune,study&tab=study&class=3b")
        assert "the tab Study is hidden here" in detail["said"]
        assert (detail["hide"], detail["room"]) == (["finetune", "study"], "3b")
        expect(visitor.page.locator(".link-said")).to_contain_text("the tab Study is hidden here")
        expect(visitor.page.get_by_role("tab", name="Study")).to_be_hidden()
        expect(visitor.page.get_by_role("tab", name="Fine-tune")).to_be_hidden()
        visitor.tab("Retrieve")
        expect(visitor.page).to_have_url(re.compile(r"\?tab=retrieve&hide=finetune,study&class=3b"))
        visitor.page.get_by_role("button", name="dismiss").click()
        expect(visitor.page.locator(".link-said")).to_be_hidden()


HOSTILE = (
    "?tab=<img src=x onerror=window.hit=1>&b=M5",
    "?corpus=javascript:window.hit=1&b=M5",
    '?lesson="><script>window.hit=1</script>&b=M5',
    "?hide=map]{}</style><script>window.hit=1</script>&b=M5",
    "?q=<svg onload=window.hit=1>&tab=retrieve&b=M5",
    "?tab=inside&panel=tokens&text=<img src=x onerror=window.hit=1>{{7*7}}${window.hit=1}&b=M5",
    "?a=causal/eos?query=%3Cimg%20src=x%20onerror=window.hit=1%3E&b=M5",
    "?class=<b>&b=M5",
    "?b=M5&b=M4&a=M9&n=-1&seed=x&sel=9-1&only=zzz&k=0&scale=loud&model=../../etc/passwd",
    "?b=M5&" + "&".join(f"x{i}=<script>" for i in range(300)),
    "?b=M5&q=" + "x" * 10**6,
)  # fmt: skip


@pytest.mark.parametrize("every", [SOME, ALL])
def test_script_and_nonsense_in_links_do_nothing(
    visitor: Visitor, served: Served, every: int
) -> None:
    for link in HOSTILE[::-1][::every][::-1]:  # the last, of a megabyte, always
        follow(visitor, "?b=causal/mean&tab=map&q=&text=a")
        answer = follow(visitor, link)
        expect(visitor.page.locator("#status")).to_contain_text("M5")
        assert "\n" not in answer["said"] and len(answer["said"]) < 1500
        assert not re.search('[<>"]', answer["query"])
        assert visitor.page.evaluate("window.hit ?? null") is None, link
    said = visitor.page.locator(".link-said")
    expect(said).to_contain_text("of which the first 16,000 are read")
    assert "Traceback" not in served.log.read_text()
    visitor.page.evaluate("() => window.embedlab.openLink({})")
    visitor.page.evaluate("() => window.embedlab.openLink()")
    expect(visitor.page.locator("#status")).to_contain_text("M5")
