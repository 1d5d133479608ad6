"""Training speed against sentence-transformers' trainer: same weights, LoRA, loss and batch."""

from __future__ import annotations

import statistics
import tempfile
import time
from typing import Any

from embedlab.backbone import Backbone
from embedlab.bench_figure import Figure
from embedlab.design import PRESETS
from embedlab.lab import Lab
from embedlab.pairs import PairSet
from embedlab.progress import Progress, silent
from embedlab.recipe import LORA_TARGETS, Recipe, recipe_from
from embedlab.sentence_transformer import same_weights
from embedlab.training import Training
from embedlab.training_data import load_pairs

STEPS = 6
#: The first steps fill the processor's pools.
WARM = 1
#: Rounds that alternate between the two sides.
ROUNDS = 3


def training(
    lab: Lab, backbone: Backbone, texts: list[str], progress: Progress = silent
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
