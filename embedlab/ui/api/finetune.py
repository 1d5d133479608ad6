"""The streaming endpoint ``/finetune``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from embedlab.data.training_sets import load_pairs
from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab
from embedlab.lab.run import LiveRun, Request
from embedlab.training.forecast import within_reach
from embedlab.training.recipe import recipe_from
from embedlab.ui.shared import parse
from embedlab.ui.shared.session import user_errors

#: Seconds between two checks of a training.
POLL_SECONDS = 0.2


def finetune_endpoint(lab: Lab) -> Callable[..., Iterator[dict[str, Any]]]:
    """``/finetune``."""

    def finetune(
        backbone: str,
        design: str,
        data: str,
        steps: int = 40,
        batch: int = 16,
        learning_rate: float = 5e-4,
        mode: str = "lora",
        seed: int = 0,
        score: bool = False,
        held_out: int = 64,
    ) -> Iterator[dict[str, Any]]:
        """Train a design on a built-in set of pairs, and follow it as it happens.

        Closing the request early stops the training and keeps what was learned.

        Args:
            backbone: one of the backbones offered here; empty for the default one.
            design: such as "causal/eos", or M1 to M5.
            data: a built-in set of pairs: stsb-train, bible-pairs or boolq-train.
            steps: updates of the weights.
            batch: pairs an update.
            learning_rate: at its height, of what the mode trains: LoRA, or the head.
            mode: lora or head.
            seed: of the weights and of the order of the pairs.
            score: whether the last message has the before/after table, a minute more.
            held_out: pairs that are scored and not trained on.

        Returns:
            messages with state, place in the queue, step, steps, loss, held_out (mean reciprocal
            rank), tokens_per_second, message, and run, whose id the other endpoints take as a
            backbone; the last one also has before_after.
        """
        with user_errors("/finetune"):
            numbers = {"steps": steps, "batch": batch, "seed": seed, "held_out": held_out}
            settings: dict[str, Any] = {
                "mode": parse.word(mode, "mode"),
                "head_lr" if mode == "head" else "lr": parse.number(learning_rate, "learning_rate"),
                **{name: parse.whole(value, name) for name, value in numbers.items()},
            }
            recipe = recipe_from(**settings)
            parsed = parse.design(design, "design")
            recipe.check(parsed)
            entry = lab.config.backbone(parse.word(backbone, "backbone") or lab.default_backbone)
            if not isinstance(score, bool):
                raise EmbedLabError(f"score is {str(score)[:20]!r}; it must be true or false.")
            pairs = load_pairs(parse.word(data, "data"))
            run = lab.runs.submit(
                Request(
                    backbone_id=entry.id,
                    design=parsed,
                    pairs=pairs,
                    recipe=within_reach(recipe, pairs),
                    name="endpoint",
                    score=score,
                )
            )
            yield from _followed(lab, run)

    return finetune


def _followed(lab: Lab, run: LiveRun) -> Iterator[dict[str, Any]]:
    last = None
    try:
        while not run.over:
            message = _message(lab, run)
            if message != last:
                last = message
                yield message
            time.sleep(POLL_SECONDS)
    except GeneratorExit:  # the client has gone
        lab.runs.stop(run.id)
        raise
    yield _message(lab, run) | {
        "before_after": [row.model_dump(mode="json") for row in run.changes]
    }


def _message(lab: Lab, run: LiveRun) -> dict[str, Any]:
    history = run.history
    done = history[-1] if history else None
    held = [step.held_out for step in history if step.held_out is not None]
    return {
        "state": run.state,
        "place": lab.runs.queue_position(run),
        "step": done.number if done else 0,
        "steps": run.total,
        "loss": done.loss if done else None,
        "held_out": held[-1] if held else None,
        "tokens_per_second": round(done.tokens_per_second, 1) if done else None,
        "message": run.message,
        "run": run.id,
    }
