"""Tokens: the mask proof, each token's share in the vector, and what trainable heads read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from embedlab.lab import inside
from embedlab.models.pooling import POOLINGS
from embedlab.progress import Progress
from embedlab.render import look_inside
from embedlab.render.inside import head_lines, movement_heatmap, token_bars
from embedlab.ui.shared import html
from embedlab.ui.shared.controls import changes
from embedlab.ui.shared.figure import figure_block, figure_value
from embedlab.ui.shared.parse import whole_number
from embedlab.ui.shared.session import Updates, Values
from embedlab.ui.shared.view import Pair, Side, View, Workbench
from embedlab.ui.tabs.inside import html as inside_html

if TYPE_CHECKING:
    from embedlab.analysis.tokens import HeadAttention, MaskProof, TokenView

EXAMPLE_A = "They walked along the bank of the river"
EXAMPLE_B = "They walked along the bank of the country"
#: Lines of single heads drawn at once.
HEADS_SHOWN = 8


class MaskPanel(View):
    """Change the last word and see which hidden states move."""

    id = "mask"
    title = "Mask proof"

    def __init__(self, bench: Workbench) -> None:
        self.lab = bench.lab
        with gr.Row(equal_height=True):
            self.text_a = gr.Textbox(EXAMPLE_A, label="A sentence", elem_id="proof-a")
            self.text_b = gr.Textbox(
                EXAMPLE_B, label="The same with another last word", elem_id="proof-b"
            )
            self.run = gr.Button("Compare", variant="primary", scale=0, min_width=110)
        self.verdict = html.block("proof-verdict")
        with gr.Row():
            self.causal = figure_block("proof-causal")
            self.bidirectional = figure_block("proof-bidirectional")
        self.inputs = [self.text_a, self.text_b]
        self.linked = {"first": self.text_a, "second": self.text_b}
        self.outputs = [self.verdict, self.causal, self.bidirectional]
        self.triggers = [self.run.click, self.text_a.submit, self.text_b.submit]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """Both attention modes beside each other, on A's backbone."""
        backbone = pair.backbones[0]
        text_a, text_b = values[self.text_a] or "", values[self.text_b] or ""
        inside.prepare_mask_proofs(self.lab, text_a, text_b, pair.backbone_ids[0], report)
        update: Updates = {}
        sentences, notes = [], []
        for attention, place in (("causal", self.causal), ("bidirectional", self.bidirectional)):
            proof = inside.mask_proof(
                self.lab, text_a, text_b, attention, pair.backbone_ids[0], report
            )
            sentences.append((proof.holds, _verdict(proof)))
            notes = [proof.note] if proof.note else []
            caption = pair.source(
                f"Relative movement of hidden states, {attention} attention, {proof.precision}; "
                f"{text_a!r} against {text_b!r}",
                backbone,
            )
            update[place] = _movement_figure(proof, caption)
        if not pair.one_backbone:
            notes.append(f"Shown on A's model, {backbone.name}.")
        update[self.verdict] = inside_html.INSIDE.verdicts(sentences) + html.note(notes)
        return update


class TokensPanel(View):
    """A text's tokens, and what each contributes to the vector under A and B."""

    id = "tokens"
    title = "Tokens"

    def __init__(self, bench: Workbench) -> None:
        self.lab = bench.lab
        with gr.Row(equal_height=True):
            self.text = gr.Textbox(EXAMPLE_A, label="A short text", scale=5, elem_id="token-text")
            self.run = gr.Button("Show", variant="primary", scale=0, min_width=110)
        self.strip = html.block("token-strip")
        self.norms = figure_block("token-norms")
        self.cosines = figure_block("token-cosines")
        self.skip = html.table_block("token-skip")
        self.inputs = [self.text]
        self.linked = {"text": self.text}
        self.outputs = [self.strip, self.norms, self.cosines, self.skip]
        self.triggers = [self.run.click, self.text.submit]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """Weights on the text itself, norms, cosines, and what leaving the first token out does."""
        text = values[self.text] or ""
        sides = [(side.design, side.backbone_id) for side in pair.sides]
        inside.prepare_token_views(self.lab, text, sides, report)
        views = [
            inside.token_view(self.lab, text, side.design, side.backbone_id, report)
            for side in pair.sides
        ]
        named = list(zip(pair.names, views, strict=True))
        rows = [
            (name, int(p), token, float(w), float(norm), float(cosine))
            for name, view in named
            for p, token, w, norm, cosine in zip(
                view.positions, view.tokens, view.weights, view.norms, view.cosines, strict=True
            )
        ]
        header = ("design", "position", "token", "weight", "norm", "cosine")
        caption = pair.source(f"Tokens of {text[:80]!r}, {' and '.join(pair.names)}")

        def figure(title: str, unit: str, numbers: str, look: str) -> dict[str, Any]:
            sides = [(name, view.tokens, getattr(view, numbers)) for name, view in named]
            bars = token_bars(sides, title=title, unit=unit)
            return figure_value(bars, header, rows, name="tokens", caption=caption, look=look)

        strips = map(inside_html.token_strip, "AB", pair.names, views)
        notes = dict.fromkeys([view.note for view in views if view.note] + _sinks(views))
        return {
            self.strip: html.joined(strips) + html.note(notes),
            self.norms: figure(
                "Norm of each token", "Norm", "norms", look_inside.token_norms(views)
            ),
            self.cosines: figure(
                "Cosine with the pooled vector",
                "Cosine",
                "cosines",
                look_inside.token_cosines(views),
            ),
            self.skip: self._first_token(pair, report),
        }

    def _first_token(self, pair: Pair, report: Progress) -> str:
        """The corpus's score with and without the first token, for the designs that take a mean."""
        rows = []
        for side in pair.sides:
            effect = inside.first_token_effect(
                self.lab, pair.corpus, side.design, side.backbone_id, report
            )
            if effect is not None:
                rows += inside_html.score_rows(side.letter, *effect)
        if not rows:
            return html.note(
                ["Neither design takes a mean, or the corpus has nothing to score it by."]
            )
        return html.score_table(
            rows,
            f"{pair.corpus.size_note} texts of {pair.corpus.title}, ×100. The switch is in the "
            "sidebar: Leave the first token out of the mean.",
            headers="The whole corpus",
            columns=("With it", "Without", "Change"),
            measured_on=pair.caption("The first token"),
        )


class HeadsPanel(View):
    """What the trainable heads of A and B read."""

    id = "heads"
    title = "Trainable heads"

    def __init__(self, bench: Workbench) -> None:
        self.lab = bench.lab
        with gr.Row(equal_height=True):
            self.per_head = gr.Checkbox(
                False, label="A line for each attention head", elem_classes=["roomy"]
            )
            self.number = gr.Number(
                0,
                label="Number of a text of the corpus, 0 for their average",
                precision=0,
                minimum=0,
                min_width=240,
                elem_id="head-text",
            )
        self.notes = html.block("head-notes")
        self.strip = html.block("head-strip")
        with gr.Row():
            self.figure_a = figure_block("head-a", "A has no trainable head.")
            self.figure_b = figure_block("head-b", "B has no trainable head.")
        self.inputs = [self.per_head, self.number]
        self.outputs = [self.notes, self.strip, self.figure_a, self.figure_b]
        self.triggers = changes(self.inputs)

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """Attention over layers, tokens or latents; an untrained head says so."""
        texts = pair.corpus.texts
        number = min(whole_number(values[self.number], "The text's number"), len(texts))
        update: Updates = {}
        strips, notes = [], []
        for side, place in zip(pair.sides, (self.figure_a, self.figure_b), strict=True):
            letter, design = side.letter, side.design
            if not design.trainable:
                update[place] = None
                continue
            # Averaged over texts, weights of tokens say little: show the first text instead.
            over_tokens = POOLINGS[design.pooling].attends_over == "tokens"
            only = max(number, 1) - 1 if number or over_tokens else None
            attention = inside.head_attention(self.lab, side.embedded, only, report)
            what = f"mean over {len(texts):,} texts" if only is None else f"text {only + 1}"
            heads = attention.per_head[: HEADS_SHOWN if values[self.per_head] else 0]
            update[place] = _head_figure(pair, side, attention, heads, what)
            if only is not None and over_tokens:
                view = inside.token_view(self.lab, texts[only], design, side.backbone_id, report)
                strips.append(inside_html.token_strip(letter, side.name, view))
            if not attention.trained:
                notes.append(
                    f"{letter}: untrained (random). An even line means that it prefers nothing yet."
                )
        if not any(design.trainable for design in pair.designs):
            notes.append(
                "Neither design has a trainable head; choose M2 to M5 as a preset in the sidebar, "
                "or the pooling latent_attention."
            )
        return {self.notes: html.note(notes), self.strip: html.joined(strips), **update}


def _movement_figure(proof: MaskProof, caption: str) -> dict[str, Any]:
    """How far each hidden state moved, layer by token."""
    # A text that is longer than the other is compared as far as both have tokens.
    pairs = list(zip(proof.tokens_a, proof.tokens_b, strict=False))
    tokens_a, tokens_b = map(list, zip(*pairs, strict=True))
    figure = movement_heatmap(
        proof.moved,
        tokens_a,
        tokens_b,
        proof.first_changed - proof.start,
        f"{proof.attention} attention",
    )
    rows = [
        (layer, proof.start + t, a, b, float(proof.moved[layer, t]))
        for layer in range(len(proof.moved))
        for t, (a, b) in enumerate(pairs)
    ]
    header = ("layer", "token", "text a", "text b", "relative movement")
    return figure_value(
        figure,
        header,
        rows,
        name=f"mask-{proof.attention}",
        caption=caption,
        look=look_inside.mask_proof(proof),
    )


def _head_figure(
    pair: Pair, side: Side, attention: HeadAttention, heads: Any, what: str
) -> dict[str, Any]:
    """Attention over layers, tokens or latents: its mean, and ``heads`` (h, s) of single ones."""
    lines = [("mean", attention.mean)]
    lines += [(f"head {i}", weights) for i, weights in enumerate(heads, start=1)]
    trained = "trained" if attention.trained else "untrained (random)"
    axis = attention.over.removesuffix("s").capitalize()
    figure = head_lines(
        side.letter,
        lines,
        first=1,
        axis=axis,
        title=f"{side.letter}: attention over {attention.over}",
        caption=f"{what}, {trained}",
    )
    return figure_value(
        figure,
        ("line", axis.lower(), "weight"),
        [(line, i, float(w)) for line, ws in lines for i, w in enumerate(ws, start=1)],
        name=f"head-{side.letter.lower()}",
        caption=pair.caption(f"{side.design.name}, {trained}, {what}"),
        look=look_inside.head_attention(attention),
    )


def _verdict(proof: MaskProof) -> str:
    name, largest = proof.attention, proof.largest_before
    if not proof.holds:
        return (
            f"The probe failed: under {name} attention the tokens before the change moved by up to "
            f"{largest:.2g}. Do not trust this backbone's embeddings."
        )
    if name == "causal":
        return (
            f"Causal: nothing before the change moved (largest {largest:.1g}). A token sees only "
            "what stands before it."
        )
    return (
        f"Bidirectional: tokens before the change moved too (up to {largest:.2g}). Every token "
        "sees the whole text."
    )


def _sinks(views: Sequence[TokenView]) -> list[str]:
    return [
        f"{letter}: the first token's norm is {view.norm_ratio:,.0f} times the median of the "
        f"others at layer {view.layer}: an attention sink. A mean that includes it is mostly it."
        for letter, view in zip("AB", views, strict=True)
        if view.norm_ratio > 5
    ]
