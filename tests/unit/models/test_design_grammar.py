"""The grammar of designs with templates, steps and modes: everything reads back as itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedlab import Design, EmbedLabError
from embedlab.models.attention import Attention
from embedlab.models.pooling import POOLINGS
from embedlab.models.steps import Step
from embedlab.models.template import TEMPLATES

PREFIXES = st.text(max_size=12).filter(lambda text: text.count("{text}") == 0)
PROMPTS = st.one_of(
    PREFIXES,
    st.sampled_from(sorted(TEMPLATES)),
    st.tuples(PREFIXES, PREFIXES).map("{text}".join).filter(lambda text: text.count("{text}") == 1),
)
BANDS = st.tuples(st.integers(1, 40), st.integers(0, 40)).map(lambda ab: (ab[0], sum(ab)))
RANGES = st.tuples(st.integers(0, 40), st.integers(1, 40)).map(lambda ab: (ab[0], sum(ab)))
STEPS = st.lists(
    st.one_of(
        st.sampled_from(["centre", "whiten", "int8", "binary"]),
        st.integers(1, 99).map("abtt{}".format),
        st.integers(1, 4096).map("dim{}".format),
    ),
    max_size=3,
)
FILTERS = st.integers(101, 9900).map(lambda n: f"filter{n / 100:g}")


@st.composite
def designs(draw):
    attention = draw(
        st.one_of(
            st.sampled_from(["causal", "bidirectional", "rerouted"]),
            st.integers(1, 60).map("bidirectional>{}".format),
        )
    )
    pooling = draw(st.sampled_from(sorted(POOLINGS)))
    kind = POOLINGS[pooling]
    layer, layers = -1, None
    if kind.reads_layer and draw(st.booleans()):
        layers = draw(RANGES)
    elif kind.reads_layer:
        layer = draw(st.integers(-40, 40))
    filters = [] if pooling == "value_mean" else draw(st.lists(FILTERS, max_size=1))
    query, document = draw(PROMPTS), draw(PROMPTS)
    if draw(st.booleans()):
        document = query
    rerouted = attention == "rerouted"
    return Design(
        attention=attention,
        pooling=pooling,
        layer=layer,
        layers=layers,
        skip_first=kind.takes_mean and draw(st.booleans()),
        steps=tuple(filters + draw(STEPS)),
        query_prompt=query,
        document_prompt=document,
        pool="" if kind.trainable else draw(st.sampled_from(["", "all"])),
        band=draw(st.one_of(st.none(), BANDS)) if rerouted else None,
        bias=draw(st.floats(-50, 50)) if rerouted else 0.0,
    )


@settings(max_examples=400, deadline=None)
@given(designs())
def test_every_design_reads_back_as_itself(design):
    assert Design.parse(str(design)) == design
    assert Attention.parse(design.mode).mode == design.attention.partition(">")[0]
    assert str(Attention.parse(design.mode)) == design.mode


@pytest.mark.parametrize(
    "text",
    [
        "causal/last?template=prompteol",
        "causal/last+filter1.5+centre?template=topic",
        "causal/value_mean@16..30",
        "bidirectional>8/mean+skip_first+whiten+dim128+int8",
        "rerouted/mean_last@4..12?template=kv&pool=text&band=10..19&bias=0.5",
        "causal/mean?query=task-retrieval&document=a%20prefix%3A%20",
        "causal/mean?template=echo&pool=second",
        "causal/eos",
        "bidirectional/weighted_mean@-3+skip_first",
    ],
)
def test_designs_are_written_as_they_are_read(text):
    assert str(Design.parse(text)) == text


def test_a_template_stands_for_both_prompts():
    both = Design.parse("causal/last?query=topic&document=topic")
    assert both == Design.parse("causal/last?template=topic")
    assert str(both) == "causal/last?template=topic"


def test_steps_may_stand_behind_the_name_of_a_template():
    written = "causal/last?template=prompteol+filter1.5+centre&pool=text"
    assert Design.parse(written) == Design.parse(
        "causal/last+filter1.5+centre?template=prompteol&pool=text"
    )
    # A text of one's own keeps its blanks.
    assert Design.parse("causal/last?template=a+centre+{text}").document_prompt == "a centre {text}"


def test_what_a_template_puts_in():
    def around(text, **options):
        return [t.around("X") for t in Design.parse(text).templates(**options)]

    assert around("causal/last?template=prompteol", query=False) == [
        'This sentence : "X" means in one word:"'
    ]
    assert len(around("causal/last?template=metaeol", query=True)) > 2
    assert around("causal/last?template=echo", query=True)[0].count("X") == 2
    retrieval = "causal/mean?template=task-retrieval"
    assert around(retrieval, query=False) == ["X"]
    assert around(retrieval, query=True)[0].endswith("answer it: X")
    own = replace(Design.parse("causal/mean"), document_prompt="{a} {text} {0}")
    assert [t.around("{b}") for t in own.templates(query=False)] == ["{a} {b} {0}"]


@pytest.mark.parametrize(
    ("design", "appended"),
    [
        ("causal/mean", True),
        ("causal/mean?query=q&document=d", True),
        ("causal/last", False),
        ("causal/last?document=d", False),
        ("causal/eos?template=topic", True),
        ("causal/mean?template=topic", False),
    ],
)
def test_where_the_end_token_is_appended(design, appended):
    assert [t.eos for t in Design.parse(design).templates(query=False)] == [appended]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("causal/last?template=nothing", "has no {text}"),
        ("causal/last?template=", "has no {text}"),
        ("causal/last?template={text}%20{text}", "has {text} 2 times"),
        ("causal/last?document={text}{text}", "write it once"),
        ("causal/last?template=topic&query=q", "both prompts"),
        ("causal/last?pool=text&pool=all", "twice"),
        ("causal/last?pool=first", "all, text, second"),
        ("causal/last?pool=second", "only template=echo"),
        ("causal/mean?template=echo&pool=text", "use second or all"),
        ("bidirectional/last_layer_trainable?pool=text", "reads all tokens"),
        ("causal/mean@9..9", "a < b"),
        ("causal/mean@9..4", "a < b"),
        ("causal/multi_layer_trainable@3..5", "its own layers"),
        ("causal/value_mean@1..3+filter2", "other dimensions"),
        ("causal/mean+dim8+filter2", "before +dim"),
        ("causal/mean+filter", "behind filter"),
        ("causal/mean+filter1", "behind filter"),
        ("causal/mean+abtt", "behind abtt"),
        ("causal/mean+abtt1.5", "behind abtt"),
        ("causal/mean+dim0", "behind dim"),
        ("causal/mean+centre2", "takes no number"),
        ("causal/mean+int4", "+int8"),
        ("causal/mean+nonsense", "+whiten"),
        ("causal/mean?band=1..2", "rerouted"),
        ("causal/mean?bias=1", "rerouted"),
        ("rerouted/mean?band=5..2", "first comes first"),
        ("rerouted/mean?band=0..2", "count from 1"),
        ("rerouted/mean?band=x", "band=10..19"),
        ("rerouted/mean?bias=much", "not a number"),
        ("rerouted/mean?bias=inf", "finite"),
        ("causal>3/mean", "bidirectional>k"),
        ("bidirectional>0/mean", "from 1"),
        ("bidirectional>/mean", "bidirectional/mean"),
    ],
)
def test_bad_designs_are_refused_in_one_sentence(text, hint):
    with pytest.raises(EmbedLabError) as caught:
        Design.parse(text)
    assert hint in str(caught.value)
    assert len(str(caught.value)) < 500


def test_steps_know_what_they_leave():
    assert Step.parse("filter1.5").width(576) == 384
    assert Step.parse("dim128").width(576) == 128
    with pytest.raises(EmbedLabError, match=r"\+dim600 .* 576"):
        Step.parse("dim600").width(576)
