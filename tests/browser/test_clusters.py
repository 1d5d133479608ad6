"""One visit to the clusters below the map: own texts without labels, streams, moved texts."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, expect
from support.serving import Served
from support.visitor import Visitor, visiting

TOPICS = {
    "password": (
        *("I forgot my password", "The password is wrong", "Please reset the password"),
        *("My password has expired", "The new password is not accepted"),
    ),
    "card": (
        *(
            "My credit card was declined",
            "The card was charged twice",
            "Which cards do you accept?",
        ),
        *("I want to pay with another card", "My old card has expired"),
    ),
    "parcel": (
        *("The parcel has not arrived", "My parcel was left in the rain", "Where is my parcel?"),
        *("The parcel came open and empty", "A courier lost the parcel"),
    ),
}
TEXTS = [text for topic in TOPICS.values() for text in topic]


def test_own_texts_get_named_clusters_that_select(browser: Browser, served: Served) -> None:
    with visiting(browser, served.url) as visitor:
        visitor.shows(points="160")
        visitor.paste(TEXTS)
        visitor.shows(points="15")
        visitor.idle()
        _names_say_what_the_texts_are_about(visitor)
        _a_stream_selects_and_a_moved_text_too(visitor)
        _another_way_to_cluster(visitor)
        visitor.page.set_viewport_size({"width": 390, "height": 844})
        visitor.fits()


def _names_say_what_the_texts_are_about(visitor: Visitor) -> None:
    slider = visitor.page.get_by_role("spinbutton", name="Clusters")
    slider.fill("3")
    slider.press("Enter")
    flow = visitor.page.locator("#cluster-flow")
    expect(flow).to_contain_text("B: k-means, k = 3.")
    names = " ".join(flow.locator(".design-b strong").all_inner_texts())
    assert all(topic in names for topic in TOPICS), names
    assert not re.search(r"\b(the|my|was|has)\b", names)


def _a_stream_selects_and_a_moved_text_too(visitor: Visitor) -> None:
    stream = visitor.page.locator("#cluster-flow .stream-ends button").first
    size = stream.locator("b").inner_text()
    stream.click()
    visitor.shows(lasso=size)
    expect(visitor.page.locator("#selection")).to_contain_text("and B:")
    moved = visitor.page.locator("#cluster-moved .pick")
    if moved.count():  # else every cluster stayed, split or was merged
        moved.first.click()
        visitor.shows(selected=moved.first.get_attribute("data-index") or "")


def _another_way_to_cluster(visitor: Visitor) -> None:
    visitor.page.locator("#cluster-method").get_by_label("HDBSCAN").check()
    expect(visitor.page.locator("#cluster-flow")).to_contain_text("A: HDBSCAN, clusters of 5 texts")
    expect(visitor.page.get_by_role("spinbutton", name="Texts of the smallest")).to_be_visible()
    visitor.page.locator("#cluster-level").get_by_label("coarse").check()
    expect(visitor.page.locator("#cluster-flow")).to_contain_text("are not grouped")
