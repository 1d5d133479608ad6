"""Addresses: what a link says, read back as it was written, whatever else stands in it."""

from __future__ import annotations

import time
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedlab.errors import EmbedLabError
from embedlab.lab.address import (
    CONTROLS,
    MAX_LINK,
    MAX_SELECTED,
    PARAMETERS,
    Address,
    fits,
    in_one_line,
    own_corpus,
    ranges,
)
from embedlab.models.design import BASELINES, PAPER, TRAINING_FREE, Design
from embedlab.text import one_line

TOPIC = "causal/mean_last+filter1.5+centre?template=topic"
DESIGNS = (
    *PAPER.values(),
    *BASELINES.values(),
    *TRAINING_FREE.values(),
    *map(
        Design.parse,
        (
            "bidirectional>8/mean@3..9+skip_first",
            "causal/eos+native",
            "rerouted/last+dim64+int8?template=kv&band=10..19&bias=0.5",
            "causal/mean?query=find%20this%3A%20&document=50%25%20%26%20more",
            "causal/last?template=Say%20%22%7Btext%7D%22%20%2B%20one%20word%3A",
            "file: other model + more",
        ),
    ),
)
line = st.text(max_size=60).map(one_line)
name = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
numbers = st.none() | st.lists(st.integers(1, 99_999), max_size=30).map(tuple)
addresses = st.builds(
    Address,
    corpus=st.sampled_from(("", "senses", "sms-spam", own_corpus("0123456789abcdef", 12))),
    part=st.lists(st.integers(1, 500), max_size=9).map(tuple),
    n=st.none() | st.integers(1, 10**6),
    seed=st.none() | st.integers(0, 10**8),
    model=st.sampled_from(("", "smollm2-135m", "Qwen/Qwen2-0.5B", "/models/a&b=c%20d+e")),
    model_a=st.sampled_from(("", "smollm2-135m-m5")),
    model_b=st.sampled_from(("", "run")),
    a=st.none() | st.sampled_from(DESIGNS),
    b=st.none() | st.sampled_from(DESIGNS),
    tab=st.sampled_from(("", "inside", "study")),
    panel=st.sampled_from(("", "mask")),
    q=st.none() | line,
    sel=numbers,
    only=numbers,
    controls=st.dictionaries(st.sampled_from(CONTROLS), line).map(lambda d: tuple(d.items())),
    lesson=st.just("") | name,
    hide=st.lists(name, max_size=4, unique=True).map(tuple),
    class_name=st.just("") | name,
)


@given(addresses)
@settings(max_examples=150, deadline=None)
def test_an_address_is_read_back_as_it_was_written(address):
    written = str(address)
    again = Address.parse(written)
    assert again == address and again.unread == () and str(again) == written
    # A browser keeps every sign of it where it stands.
    assert written.isascii() and not set(written) & set(' "<>#`{}|\\^')
    assert Address.parse(f"http://127.0.0.1:7860/path{written}#part") == address


def test_what_is_written_is_short_and_readable():
    address = Address(
        corpus="senses",
        a=Design.parse("M1"),
        b=Design.parse(TOPIC),
        tab="inside",
        panel="mask",
        q="river bank",
        sel=(9, 3, 7, 8),
    )
    assert str(address) == (
        f"?corpus=senses&a=M1&b={TOPIC}&tab=inside&panel=mask&q=river+bank&sel=3,7-9"
    )
    assert str(Address()) == "" and Address.parse("") == Address.parse("?") == Address()
    assert Address(sel=()) != Address() == Address(unread=("something",))


@pytest.mark.parametrize(
    ("link", "design"),
    [
        (f"?b={TOPIC}", TOPIC),
        ("?b=causal%2Fmean_last%2Bfilter1.5%2Bcentre%3Ftemplate%3Dtopic", TOPIC),
        ("?b=causal/mean_last filter1.5 centre?template=topic", TOPIC),  # + taken for a space
        ("?b=m5", "M5"),
        ("?b=causal/last?template=kv%26pool=text", "causal/last?template=kv&pool=text"),
        ("?b=bidirectional%3E8/mean", "bidirectional>8/mean"),
    ],
)
def test_designs_are_read_as_people_and_programs_write_them(link, design):
    assert Address.parse(link) == Address(b=Design.parse(design))
    assert Address.parse(link).unread == ()


@pytest.mark.parametrize(
    ("link", "said", "rest"),
    [
        ("?a=causal/nothing&n=5", "causal/nothing", Address(n=5)),
        ("?a=M1&a=M2", "a is there twice; the first one counts", Address(a=PAPER["M1"])),
        ("?corpsu=senses&n=5", "“corpsu” is no part of a link", Address(n=5)),
        ("?corpus=&n=5", "corpus is “”", Address(n=5)),
        ("?n=0", "n is “0”, which is no whole number from 1 up", Address()),
        ("?n=1e9&seed=-1", "seed is “-1”", Address()),
        ("?n=٣", "n is “٣”", Address()),
        ("?sel=5,7-3", "“7-3”, where a text's number", Address()),
        ("?sel=5;6", "“5;6”", Address()),
        ("?sel=1-9999999", f"more than {MAX_SELECTED:,} texts", Address()),
        ("?corpus=own:xyz:12", "“own:xyz:12”, which is no corpus", Address()),
        ("?tab=<script>alert(1)</script>&seed=3", "“<script>alert(1)</script>”", Address(seed=3)),
        (
            "?a=causal/last?template=kv&pool=text",
            "“pool” is no part of a link (inside a design, write %26 for &)",
            Address(a=Design.parse("causal/last?template=kv")),
        ),
        ("?q=" + "x" * 501, "q has 501 characters", Address()),
        ("?a=causal/mean@99999", "a: ", Address()),
        ("?class=a b", "class is “a b”", Address()),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_and_the_rest_is_read(link, said, rest):
    address = Address.parse(link)
    assert address == rest
    assert said in address.said and "\n" not in address.said


def test_parameters_of_others_are_nobodys_mistake():
    link = "?__theme=dark&view=api&utm_source=mail&__sign=abc&fbclid=1&n=5"
    assert Address.parse(link) == Address(n=5) and Address.parse(link).unread == ()


def test_a_megabyte_is_read_up_to_a_point_and_at_once():
    start = time.process_time()
    address = Address.parse("?n=5&a=M1&q=" + "x" * 10**6 + "&b=M2")
    assert address == Address(n=5, a=PAPER["M1"])
    assert f"1,000,017 characters, of which the first {MAX_LINK:,} are read" in address.said
    assert Address.parse("?" + "&" * 10**6) == Address()
    many = Address.parse("?" + "&".join(f"x{i}=1" for i in range(5000)))
    assert len(many.said) < 400 and "more like these" in many.said
    assert time.process_time() - start < 1


def test_signs_that_are_no_text_are_read_as_signs():
    assert Address.parse("?q=%ff%00%ed%a0%80%0a%0dx%20").q == "\ufffd \ufffd\ufffd\ufffd x"


pieces = st.sampled_from(
    (
        *(f"{key}=" for key in PARAMETERS),
        *(
            "&",
            "?",
            "=",
            "+",
            "%",
            "%2",
            "%26",
            "#",
            ",",
            "-",
            "..",
            "@",
            "/",
            ":",
            "own:",
            "file:",
        ),
        *("1", "9" * 12, "causal/mean", "M5", "template=topic", "<script>", "\x00", "\ud800", "é"),
        *("__theme=dark", "javascript:alert(1)", "' OR 1=1", "{{7*7}}", "../../etc/passwd"),
    )
)


@given(st.lists(pieces | st.text(max_size=12), max_size=40).map("".join))
@settings(max_examples=200, deadline=None)
def test_no_query_string_breaks_it(query):
    """Whatever was read is an address of its own, and the rest is said in one line."""
    address = Address.parse(query)
    again = Address.parse(str(address))
    assert again == address and again.unread == ()
    assert "\n" not in address.said and len(address.said) < 2000
    # Python's own parser sees no parameter in it that is not one of ours.
    assert {key for key, _ in parse_qsl(urlsplit(str(address)).query)} <= PARAMETERS.keys()


def test_an_address_holds_nothing_that_no_link_can_say():
    for wrong in ({"n": 0}, {"tab": "a b"}, {"corpus": "own"}, {"q": "two\nlines"}, {"sel": (0,)}):
        with pytest.raises(EmbedLabError):
            Address(**wrong)
    written = Address.of(n=5, q="x" * 501)
    assert written == Address(n=5) and "q has 501 characters" in written.said


def test_own_texts_are_named_by_a_hash():
    assert Address(corpus=own_corpus("3f9a1c2b4d5e6f70", 12)).own == ("3f9a1c2b4d5e", 12)
    assert Address(corpus="senses").own is None


def test_a_selection_is_written_in_ranges():
    assert ranges([1, 2, 3, 5, 9, 10]) == "1-3,5,9-10" and ranges([]) == ""
    assert fits(range(1, 5001)) and not fits(range(1, 5001, 2))


def test_many_sentences_become_one_line():
    assert in_one_line([]) == ""
    assert in_one_line(["one", "two", "one"]) == "one; two."
    assert in_one_line("abcdefg") == "a; b; c; d; and 3 more like these."
