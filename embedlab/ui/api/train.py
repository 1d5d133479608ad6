"""The endpoint ``/train``, for agents: a short training that is waited for, within bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab
from embedlab.ui.api.finetune import finetune_endpoint
from embedlab.ui.shared import parse
from embedlab.ui.shared.session import user_errors

#: Pairs of an update, at most: what a step costs grows with them.
MAX_BATCH = 32


def train_endpoint(lab: Lab) -> Callable[..., dict[str, Any]]:
    """``/train``, which waits for a short training to end."""
    most, stream = lab.config.mcp.max_train_steps, finetune_endpoint(lab)
    usual = min(20, most)

    def train(
        design: str,
        data: str,
        steps: int = usual,
        batch: int = 16,
        mode: str = "lora",
        seed: int = 0,
    ) -> dict[str, Any]:
        """Train a design of the default backbone on pairs of texts, and wait until it is trained.

        It takes minutes. The answer's run is the name of the trained model: give it as the backbone
        of embed and compare_designs, without a backbone these take the untrained one.

        Args:
            design: such as "causal/eos", or M1 to M5.
            data: a built-in set of pairs: stsb-train, bible-pairs or boolq-train.
            steps: updates of the weights; a deployment bounds them.
            batch: pairs an update, up to 32.
            mode: lora (the backbone is adapted), or head (the trainable pooling alone, in seconds).
            seed: of the weights and of the order of the pairs.

        Returns:
            state, steps, loss, held_out (mean reciprocal rank of pairs not trained on), message,
            and run, the id of the trained model.
        """
        with user_errors("/train"):
            for name, value, bound in (("steps", steps, most), ("batch", batch, MAX_BATCH)):
                if not 1 <= parse.whole(value, name) <= bound:
                    raise EmbedLabError(
                        f"{name} is {value}; an agent may ask for 1 to {bound} here."
                    )
        *_, last = stream("", design, data, steps=steps, batch=batch, mode=mode, seed=seed)
        return last

    return train
