"""``embedlab bench``: the speed of this machine, part by part.

A part is a function from a :class:`Bench` to its figures; two of them also run
sentence-transformers on the same weights. Texts are made of the words of the hand-written corpus,
so nothing has to be downloaded.
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
from functools import partial
from typing import Any

import torch

from embedlab.analysis.contestants import KINDS
from embedlab.cli import bench_index
from embedlab.data.corpus import Corpus
from embedlab.data.pairs import PairSet
from embedlab.data.training_sets import load_pairs
from embedlab.errors import check_known
from embedlab.lab.cache import LruCache, size_in_bytes
from embedlab.lab.config import BackboneEntry, Config, Limits
from embedlab.lab.entries import Request, entries_for, passes_of, queries_of
from embedlab.lab.lab import Lab
from embedlab.lab.leaderboard import leaderboard, ranking
from embedlab.models.adapter import LORA_TARGETS
from embedlab.models.backbone import Backbone
from embedlab.models.design import PRESETS, Design
from embedlab.models.embedding import embed
from embedlab.models.loading import DTYPES
from embedlab.models.pooling import DEFAULT_HEAD, POOLINGS
from embedlab.models.state_cache import StateCache
from embedlab.models.states import TextStates
from embedlab.models.wanted import compute_states
from embedlab.progress import Progress, no_progress
from embedlab.resources import ASSETS
from embedlab.study.definition import load_study
from embedlab.training.recipe import Recipe, recipe_from
from embedlab.training.training import Training

MEAN = PRESETS["causal/mean"]
#: Words of a long text, on average.
LONG_WORDS = 90
#: Repetitions: the best product, the medians of everything that alternates.
ROUNDS = 3
#: Rows of a product: a batch of the CPU's token budget.
PRODUCT_ROWS = 1024
#: Bytes of hidden states: nothing may be evicted while the bench runs.
CACHE_BYTES = 16 * 10**9
#: Measured steps of a training, after those that only fill the processor's memory pools.
STEPS, WARM_UP_STEPS = 6, 1


@dataclass(frozen=True)
class Figure:
    """One row of the bench: a number with its unit, and the aim."""

    what: str
    value: float
    unit: str
    aim: str = ""

    @property
    def shown(self) -> str:
        """The number as the table shows it."""
        digits = 0 if self.unit in ("ms", "tokens/s") else 2
        return f"{self.value:,.{digits}f} {self.unit}"


@dataclass(frozen=True)
class Bench:
    """What every part measures with: a Lab, its one backbone, and short texts."""

    lab: Lab
    backbone: Backbone
    texts: list[str]
    progress: Progress


def measure(
    what: str = "all",
    texts: int = 2000,
    words: int = 12,
    backbone: str = "smollm2-135m",
    progress: Progress = no_progress,
) -> tuple[str, list[Figure]]:
    """Run one part of the bench, or ``all``.

    Returns:
        A line about the machine, the backbone and the texts, and the figures.

    Raises:
        EmbedLabError: there is no such part, or it needs a package that is not installed.
    """
    check_known(what, "measured", ["all", *PARTS])
    limits = Limits(max_texts=max(texts, 1), state_cache_mb=CACHE_BYTES // 10**6, state_disk_mb=0)
    lab = Lab(Config(backbones=(BackboneEntry(id=backbone),), limits=limits))
    loaded = lab.backbone(progress=progress)
    bench = Bench(lab, loaded, made_up_texts(texts, words), progress)
    figures: list[Figure] = []
    for name in PARTS if what == "all" else [what]:
        progress(0, 0, f"measuring {name}")
        figures += PARTS[name](bench)
    headline = (
        f"{loaded.name}, {str(loaded.dtype).removeprefix('torch.')}, {loaded.device.type}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {platform.machine()}; "
        f"{texts:,} texts of {words} words on average, heads with "
        f"{(loaded.head_size or DEFAULT_HEAD).latents} latents"
    )
    return headline, figures


def made_up_texts(n: int, words: int, seed: int = 0) -> list[str]:
    """n texts of ``words`` words on average, between half and one and a half times as many."""
    lines = (ASSETS / "senses.jsonl").read_text(encoding="utf-8").splitlines()
    vocabulary = sorted({w for line in lines for w in re.findall(r"\w+", json.loads(line)["text"])})
    draw = random.Random(seed)
    lengths = [draw.randint(max(1, words // 2), words + (words + 1) // 2) for _ in range(n)]
    return [" ".join(draw.choices(vocabulary, k=length)) for length in lengths]


def seconds(work: Callable[..., Any], *args: Any, **kwargs: Any) -> float:
    """How long ``work(*args, **kwargs)`` takes."""
    start = time.perf_counter()
    work(*args, **kwargs)
    return time.perf_counter() - start


def _from_empty_cache(bench: Bench, texts: list[str], *designs: Design) -> float:
    """The seconds that embedding the texts under all the designs takes."""
    bench.backbone.cache = StateCache(CACHE_BYTES)
    return sum(seconds(embed, texts, d, bench.backbone, progress=bench.progress) for d in designs)


def _medians(bench: Bench, what: str, *sides: Callable[[], float]) -> list[float]:
    """The median seconds of each side; they take turns, so that all meet the same machine."""
    rounds = []
    for turn in range(ROUNDS):
        bench.progress(turn, ROUNDS, what)
        rounds.append([side() for side in sides])
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


# EmbedLab alone


def products(bench: Bench) -> list[Figure]:
    """Matrix products of the backbone's shape: the limit of every pass on this machine."""
    d, wide = bench.backbone.hidden_size, bench.backbone.config.intermediate_size
    figures = []
    for name, dtype in DTYPES.items():
        a = torch.ones(PRODUCT_ROWS, d, dtype=dtype, device=bench.backbone.device)
        b = torch.ones(d, wide, dtype=dtype, device=bench.backbone.device)
        best = min(seconds(lambda a=a, b=b: (a @ b).sum().item()) for _ in range(ROUNDS))
        what = f"{PRODUCT_ROWS} × {d} × {wide} products, {name}"
        figures.append(Figure(what, 2e-9 * PRODUCT_ROWS * d * wide / best, "GFLOP/s"))
    return figures


def presets(bench: Bench) -> list[Figure]:
    """All seven presets against causal/mean alone, each on an empty cache."""
    # The first batches also fill the processor's memory pools.
    embed(bench.texts[:64], MEAN, bench.backbone)
    alone = _from_empty_cache(bench, bench.texts, MEAN)
    seven = _from_empty_cache(bench, bench.texts, *PRESETS.values())
    tokens = int(bench.backbone.states(bench.texts).token_counts.sum())
    return [
        Figure("causal/mean, empty cache", alone, "s"),
        Figure("causal/mean, empty cache", tokens / alone, "tokens/s"),
        Figure("all seven presets, empty cache", seven, "s"),
        Figure("seven presets / causal/mean", seven / alone, "times", "at most 2.6"),
    ]


def heads(bench: Bench) -> list[Figure]:
    """What all other designs of one attention and template add to the first on an empty cache.

    The designs are those of the study ``training-free``: five poolings with and without centring
    and a filter. And what a pass keeps of a text, against the four vectors a layer that the
    paper's poolings need.
    """
    figures = []
    embed(bench.texts[:64], MEAN, bench.backbone)  # fills the processor's memory pools
    for template in ("", "prompteol"):
        first, *others = (
            design
            for design in load_study("training-free").designs
            if (design.attention, design.document_prompt) == ("causal", template)
        )
        where = f"template {template}" if template else "no template"
        rounds = []
        for turn in range(ROUNDS):
            bench.progress(turn, ROUNDS, where)
            alone = _from_empty_cache(bench, bench.texts, first)
            more = sum(seconds(embed, bench.texts, design, bench.backbone) for design in others)
            rounds.append((alone, more, (alone + more) / alone))
        alone, more, ratio = map(statistics.median, zip(*rounds, strict=True))
        figures += [
            Figure(f"{first}, empty cache", alone, "s"),
            Figure(f"the other {len(others)} designs, {where}", more, "s"),
            Figure(f"all / first, {where}", ratio, "times", "at most 1.15"),
        ]
        row = bench.backbone.states(bench.texts[:1], "causal", first.templates(query=False)[0])
        figures += _bank_figures(row.rows[0], where)
    return figures


def _bank_figures(states: TextStates, where: str) -> list[Figure]:
    four = states.bank[:4].nbytes
    kept = states.bank.nbytes + (0 if states.squares is None else states.squares.nbytes)
    figures = [Figure(f"bank / four vectors a layer, {where}", kept / four, "times", "at most 1.3")]
    if states.text_bank is not None:
        whole = states.nbytes / four
        figures.append(Figure(f"with the bank of the text's own tokens, {where}", whole, "times"))
    return figures


def switch(bench: Bench) -> list[Figure]:
    """From embedded texts to vectors under another pooling or layer, the Lab's checks included."""
    lab, backbone = bench.lab, bench.backbone
    backbone.cache = lab.states
    corpus = Corpus(id="bench", title="bench", texts=tuple(bench.texts))
    for attention in ("causal", "bidirectional"):
        backbone.states(bench.texts, attention, progress=bench.progress)
    without_weights = [
        Design(attention=attention, pooling=pooling, layer=layer)
        for attention in ("causal", "bidirectional")
        for pooling, kind in POOLINGS.items()
        if not kind.trainable
        for layer in (1, backbone.num_layers // 2, -1)
    ]
    milliseconds = [1000 * seconds(lab.embedded, corpus, design) for design in without_weights]
    figures = [
        Figure("switch, no parameters: median", statistics.median(milliseconds), "ms"),
        Figure("switch, no parameters: slowest", max(milliseconds), "ms", "under 150"),
    ]
    again = []
    for design in (design for design in PRESETS.values() if design.trainable):
        first = seconds(lab.embedded, corpus, design, progress=bench.progress)
        figures.append(Figure(f"switch to {design}, first time", first, "s", "under 4"))
        again.append(1000 * seconds(lab.embedded, corpus, design))
    return [*figures, Figure("switch to a trainable head, again", max(again), "ms", "under 150")]


def designs(bench: Bench) -> list[Figure]:
    """Every design on the first corpus against the passes that they share, each on its own.

    Both start from an empty cache; the yardstick, which is another model, is left out.
    """
    corpus = bench.lab.corpus("senses", progress=bench.progress)
    kinds = set(KINDS) - {"yardstick"}
    request = entries_for(bench.lab, corpus, kinds=kinds, progress=bench.progress)
    passes = {w.keys[0]: w for e in request.entries for w in passes_of(bench.lab, corpus, e)}
    queries = {w.keys[0]: w for e in request.entries for w in queries_of(corpus, e)}
    compute_states([next(iter(passes.values()))])  # the first batches also fill memory pools
    alone, together = [], []
    for turn in range(ROUNDS):
        bench.progress(turn, ROUNDS, "designs")
        bench.backbone.cache = bench.lab.states = StateCache(CACHE_BYTES)
        alone.append(
            sum(seconds(compute_states, [w]) for w in (*passes.values(), *queries.values()))
        )
        bench.backbone.cache = bench.lab.states = StateCache(CACHE_BYTES)
        bench.lab.results = LruCache(CACHE_BYTES, size_in_bytes)
        together.append(seconds(_whole_table, bench.lab, request, bench.progress))
    one, all_ = statistics.median(alone), statistics.median(together)
    n = f"{len(request.entries)} designs"
    return [
        Figure(f"{request.passes} passes over {len(corpus.texts)} texts and queries", one, "s"),
        Figure(f"{n} from them, scored and compared", all_, "s"),
        Figure(f"{n} / their passes", all_ / one, "times", "at most 1.15"),
    ]


def _whole_table(lab: Lab, request: Request, progress: Progress) -> None:
    *_, table = leaderboard(lab, request, progress)
    ranking(lab, table, table.first_measure, progress)


# Beside sentence-transformers


def sentence_transformers(bench: Bench) -> list[Figure]:
    """Throughput against sentence-transformers' encode: batch 32, mean pooling, causal.

    Runs alternate, and the medians are compared. The same texts count on both sides; EmbedLab
    also reads the EOS that it appends to each.
    """
    model, n = same_weights(bench.backbone), len(bench.texts)
    short = bench.texts[: max(8, n // 4)]
    long = made_up_texts(max(8, n // 32), LONG_WORDS)
    figures = []
    for name, texts, aim in (("short", short, "3"), (f"{LONG_WORDS}-word", long, "1.2")):
        what = f"{len(texts):,} {name} texts"
        encode = partial(model.encode, texts, batch_size=32, show_progress_bar=False)
        ours, theirs = _medians(
            bench, what, partial(_from_empty_cache, bench, texts, MEAN), partial(seconds, encode)
        )
        figures += [
            Figure(f"{what}, EmbedLab", ours, "s"),
            Figure(f"{what}, sentence-transformers", theirs, "s"),
            Figure(f"{what}, sentence-transformers / EmbedLab", theirs / ours, "times", aim),
        ]
    return figures


def training(bench: Bench) -> list[Figure]:
    """Seconds a step of 16 STS-B pairs under causal/mean with LoRA on every layer, both sides."""
    recipe = recipe_from("cpu", steps=STEPS + WARM_UP_STEPS, held_out=0)
    data, backbone = load_pairs("stsb-train"), bench.backbone
    # Their trainer gets the pairs of our batches, in that order, so that the tokens are the same.
    plan = Training(backbone, MEAN, data, recipe)
    pairs = plan.train_pairs.take(i for step in range(recipe.steps) for i in plan.batch(step))
    encoded = backbone.encode(pairs.anchors + pairs.positives)
    tokens_per_step = sum(len(one.ids) for one in encoded) / recipe.steps

    def our_step() -> float:
        steps = Training(backbone, MEAN, data, recipe).run()
        return statistics.mean(s.seconds for s in steps if s.number > WARM_UP_STEPS)

    their_step = partial(_their_step, backbone, pairs, recipe)
    ours, theirs = _medians(bench, "training, both sides", our_step, their_step)
    return [
        Figure("training, EmbedLab", tokens_per_step / ours, "tokens/s"),
        Figure("training, sentence-transformers", tokens_per_step / theirs, "tokens/s"),
        Figure("training, EmbedLab / sentence-transformers", theirs / ours, "times", "2"),
    ]


def _their_step(backbone: Backbone, pairs: PairSet, recipe: Recipe) -> float:
    """The mean seconds of a step of sentence-transformers' trainer, without the warm-up."""
    from datasets import Dataset
    from peft import LoraConfig, inject_adapter_in_model
    from sentence_transformers import (
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        """Records when every step ended."""

        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ends.append(time.perf_counter())

    model = same_weights(backbone)
    lora = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules=list(LORA_TARGETS),
    )
    # What their add_adapter calls, without transformers' demand for a certain version of peft.
    inject_adapter_in_model(lora, model.transformers_model)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = SentenceTransformerTrainer(
            model=model,
            args=SentenceTransformerTrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=recipe.batch,
                max_steps=recipe.steps,
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
            loss=MultipleNegativesRankingLoss(model, scale=recipe.scale),
            callbacks=[clock],
        )
        trainer.train()
    # The warm-up ends with the step before the first that counts.
    return (clock.ends[-1] - clock.ends[WARM_UP_STEPS - 1]) / STEPS


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


def index(bench: Bench) -> list[Figure]:
    """Approximate search over 200,000 real vectors beside exact search."""
    return [Figure(*row) for row in bench_index.rows(bench.backbone, bench.progress)]


PARTS: dict[str, Callable[[Bench], list[Figure]]] = {
    "products": products,
    "presets": presets,
    "heads": heads,
    "switch": switch,
    "designs": designs,
    "index": index,
    "sentence-transformers": sentence_transformers,
    "training": training,
}
