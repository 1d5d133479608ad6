"""What this machine does with EmbedLab, in one run: the figures behind ``embedlab bench``.

Texts are made of the words of the hand-written corpus, so nothing has to be downloaded.
"""

from __future__ import annotations

import json
import platform
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from embedlab.data.corpus import Corpus
from embedlab.data.pairs import PairSet
from embedlab.data.training_sets import load_pairs
from embedlab.errors import EmbedLabError
from embedlab.lab.config import BackboneEntry, Config, Limits
from embedlab.lab.lab import Lab
from embedlab.models.adapter import LORA_TARGETS
from embedlab.models.backbone import Backbone
from embedlab.models.design import PRESETS, Design
from embedlab.models.embedding import embed
from embedlab.models.loading import DTYPES
from embedlab.models.pooling import POOLINGS
from embedlab.models.state_cache import StateCache
from embedlab.progress import Progress, no_progress
from embedlab.resources import ASSETS
from embedlab.training.recipe import Recipe, recipe_from
from embedlab.training.training import Training

MEAN = PRESETS["causal/mean"]
LONG = 90
ROUNDS = 3
#: Rows of a product: a batch of the CPU's token budget.
TOKENS = 1024
#: Bytes of hidden states: nothing may be evicted while the bench runs.
ROOM = 16 * 10**9
STEPS = 6
#: The first steps fill the processor's pools.
WARM = 1


@dataclass(frozen=True)
class Figure:
    """One row of the bench: a number with its unit, and what is aimed at."""

    what: str
    value: float
    unit: str
    aim: str = ""

    @property
    def shown(self) -> str:
        """The number as people read it."""
        digits = 0 if self.unit in ("ms", "tokens/s") else 2
        return f"{self.value:,.{digits}f} {self.unit}"


def measure(
    what: str = "all",
    texts: int = 2000,
    words: int = 12,
    backbone: str = "smollm2-135m",
    progress: Progress = no_progress,
) -> tuple[str, list[Figure]]:
    """Run one part of the bench, or ``all``.

    Returns:
        A line that says what was measured on, and the figures.

    Raises:
        EmbedLabError: there is no such part, or it needs a package that is not installed.
    """
    if what != "all" and what not in PARTS:
        raise EmbedLabError(f"{what[:60]!r} is not measured; use all, {', '.join(PARTS)}.")
    limits = Limits(max_texts=max(texts, 1), state_cache_mb=ROOM // 10**6, state_disk_mb=0)
    lab = Lab(Config(backbones=(BackboneEntry(id=backbone),), limits=limits))
    loaded = lab.backbone(progress=progress)
    short = made_up_texts(texts, words)
    figures: list[Figure] = []
    for name, part in PARTS.items():
        if what in ("all", name):
            progress(0, 0, f"measuring {name}")
            figures += part(lab, loaded, short, progress)
    about = (
        f"{loaded.name}, {str(loaded.dtype).removeprefix('torch.')}, {loaded.device.type}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {platform.machine()}; "
        f"{texts:,} texts of {words} words on average, heads with {loaded.head_size.latents} "
        "latents"
    )
    return about, figures


def made_up_texts(n: int, words: int, seed: int = 0) -> list[str]:
    """n texts of ``words`` words on average, between half and one and a half times as many."""
    lines = (ASSETS / "senses.jsonl").read_text(encoding="utf-8").splitlines()
    known = sorted({w for line in lines for w in re.findall(r"\w+", json.loads(line)["text"])})
    draw = random.Random(seed)
    lengths = [draw.randint(max(1, words // 2), words + (words + 1) // 2) for _ in range(n)]
    return [" ".join(draw.choices(known, k=length)) for length in lengths]


def seconds(work: Callable[..., Any], *args: Any, **kwargs: Any) -> float:
    """How long ``work(*args, **kwargs)`` takes."""
    start = time.perf_counter()
    work(*args, **kwargs)
    return time.perf_counter() - start


def products(
    lab: Lab, backbone: Backbone, texts: list[str], progress: Progress = no_progress
) -> list[Figure]:
    """Matrix products of the backbone's shape: the limit of every pass on this machine."""
    d, wide = backbone.hidden_size, backbone.config.intermediate_size
    figures = []
    for name, dtype in DTYPES.items():
        a = torch.ones(TOKENS, d, dtype=dtype, device=backbone.device)
        b = torch.ones(d, wide, dtype=dtype, device=backbone.device)
        best = min(seconds(lambda a=a, b=b: (a @ b).sum().item()) for _ in range(ROUNDS))
        what = f"{TOKENS} × {d} × {wide} products, {name}"
        figures.append(Figure(what, 2e-9 * TOKENS * d * wide / best, "GFLOP/s"))
    return figures


def presets(
    lab: Lab, backbone: Backbone, texts: list[str], progress: Progress = no_progress
) -> list[Figure]:
    """All seven presets against causal/mean alone, each on an empty cache."""

    def under(designs: list[Design]) -> float:
        backbone.cache = StateCache(ROOM)
        return sum(seconds(embed, texts, each, backbone, progress=progress) for each in designs)

    embed(texts[:64], MEAN, backbone)  # the first batches also fill the processor's pools
    alone = under([MEAN])
    seven = under(list(PRESETS.values()))
    tokens = int(backbone.states(texts).token_counts.sum())
    return [
        Figure("causal/mean, empty cache", alone, "s"),
        Figure("causal/mean, empty cache", tokens / alone, "tokens/s"),
        Figure("all seven presets, empty cache", seven, "s"),
        Figure("seven presets / causal/mean", seven / alone, "times", "at most 2.6"),
    ]


def switch(
    lab: Lab, backbone: Backbone, texts: list[str], progress: Progress = no_progress
) -> list[Figure]:
    """From embedded texts to vectors under another pooling or layer, the Lab's checks included."""
    backbone.cache = lab.states
    corpus = Corpus(id="bench", title="bench", texts=tuple(texts))
    for attention in ("causal", "bidirectional"):
        backbone.states(texts, attention, progress=progress)
    depth = backbone.num_layers
    plain = [
        Design(attention=attention, pooling=pooling, layer=layer)
        for attention in ("causal", "bidirectional")
        for pooling, kind in POOLINGS.items()
        if not kind.trainable
        for layer in (1, depth // 2, -1)
    ]
    milliseconds = [1000 * seconds(lab.embedded, corpus, design) for design in plain]
    figures = [
        Figure("switch, no parameters: median", statistics.median(milliseconds), "ms"),
        Figure("switch, no parameters: slowest", max(milliseconds), "ms", "under 150"),
    ]
    again = []
    for design in (design for design in PRESETS.values() if design.trainable):
        first = seconds(lab.embedded, corpus, design, progress=progress)
        figures.append(Figure(f"switch to {design}, first time", first, "s", "under 4"))
        again.append(1000 * seconds(lab.embedded, corpus, design))
    return [*figures, Figure("switch to a trainable head, again", max(again), "ms", "under 150")]


def sentence_transformers(
    lab: Lab, backbone: Backbone, texts: list[str], progress: Progress = no_progress
) -> list[Figure]:
    """Throughput against sentence-transformers' encode: batch 32, mean pooling, causal.

    Runs alternate, and the medians are compared. The same texts count on both sides; EmbedLab
    also reads the EOS that it appends to each.
    """
    other = same_weights(backbone)
    short = texts[: max(8, len(texts) // 4)]
    long = made_up_texts(max(8, len(texts) // 32), LONG)
    figures = []
    for name, some, aim in (("short", short, "3"), (f"{LONG}-word", long, "1.2")):
        ours, theirs = [], []
        for turn in range(ROUNDS):
            progress(turn, ROUNDS, f"sentence-transformers, {name} texts")
            backbone.cache = StateCache(ROOM)
            ours.append(seconds(embed, some, MEAN, backbone))
            theirs.append(seconds(other.encode, some, batch_size=32, show_progress_bar=False))
        mine, yours = statistics.median(ours), statistics.median(theirs)
        what = f"{len(some):,} {name} texts"
        figures += [
            Figure(f"{what}, EmbedLab", mine, "s"),
            Figure(f"{what}, sentence-transformers", yours, "s"),
            Figure(f"{what}, sentence-transformers / EmbedLab", yours / mine, "times", aim),
        ]
    return figures


def training(
    lab: Lab, backbone: Backbone, texts: list[str], progress: Progress = no_progress
) -> list[Figure]:
    """Seconds a step of 16 STS-B pairs under causal/mean with LoRA on every layer, both sides."""
    recipe = recipe_from("cpu", steps=STEPS + WARM, held_out=0)
    ours, theirs = [], []
    live = Training(backbone, PRESETS["causal/mean"], load_pairs("stsb-train"), recipe)
    order = [i for step in range(recipe.steps) for i in live.batch(step)]
    pairs = live.train_pairs.take(order)
    tokens = sum(len(e.ids) for e in backbone.encode(pairs.anchors + pairs.positives))
    for turn in range(ROUNDS):
        progress(turn, ROUNDS, "training, both sides")
        live = Training(backbone, PRESETS["causal/mean"], load_pairs("stsb-train"), recipe)
        steps = [step.seconds for step in live.run() if step.number > WARM]
        ours.append(statistics.mean(steps))
        theirs.append(_their_step(backbone, pairs, recipe))
    mine, yours = statistics.median(ours), statistics.median(theirs)
    a_step = tokens / recipe.steps
    return [
        Figure("training, EmbedLab", a_step / mine, "tokens/s"),
        Figure("training, sentence-transformers", a_step / yours, "tokens/s"),
        Figure("training, EmbedLab / sentence-transformers", yours / mine, "times", "2"),
    ]


def _their_step(backbone: Backbone, pairs: PairSet, recipe: Recipe) -> float:
    """The mean seconds of a step of sentence-transformers' trainer, the first left out."""
    from datasets import Dataset
    from peft import LoraConfig
    from sentence_transformers import (
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        """Notes when every step ended."""

        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ends.append(time.perf_counter())

    other = same_weights(backbone)
    other.add_adapter(
        LoraConfig(
            r=recipe.lora_rank,
            lora_alpha=recipe.lora_alpha,
            lora_dropout=recipe.lora_dropout,
            target_modules=list(LORA_TARGETS),
        )
    )
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = SentenceTransformerTrainer(
            model=other,
            args=SentenceTransformerTrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=recipe.batch,
                max_steps=STEPS + WARM,
                learning_rate=recipe.lr,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                logging_strategy="no",
                use_cpu=backbone.device.type == "cpu",
                dataloader_pin_memory=False,
            ),
            train_dataset=Dataset.from_dict(
                {"anchor": list(pairs.anchors), "positive": list(pairs.positives)}
            ),
            loss=MultipleNegativesRankingLoss(other, scale=recipe.scale),
            callbacks=[clock],
        )
        trainer.train()
    gaps = [b - a for a, b in zip(clock.ends[WARM - 1 :], clock.ends[WARM:], strict=False)]
    return statistics.mean(gaps)


def same_weights(backbone: Backbone) -> Any:
    """A SentenceTransformer with causal attention and mean pooling, in the same precision."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer.modules.pooling import Pooling

    # Text alone: with the default it would wrap every text in the tokenizer's chat template.
    body = Transformer(
        backbone.model.name_or_path,
        model_kwargs={"dtype": backbone.dtype},
        modality_config={"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
        module_output_name="token_embeddings",
    )
    body.tokenizer.padding_side = "right"
    pooling = Pooling(backbone.hidden_size, pooling_mode="mean")
    return SentenceTransformer(modules=[body, pooling], device=str(backbone.device))


PARTS: dict[str, Callable[[Lab, Backbone, list[str], Progress], list[Figure]]] = {
    "products": products,
    "presets": presets,
    "switch": switch,
    "sentence-transformers": sentence_transformers,
    "training": training,
}
