"""A short contrastive training of a design: LoRA, a head, or both.

The loop is our own and not a library's trainer, because a live training has to yield after every
step, hand the backbone back between micro-batches so that other people's queries run, stop at once
and keep what was learned; peft does LoRA, torch the optimiser.
"""

from __future__ import annotations

import dataclasses
import math
import random
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from embedlab import gpu
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.models.adapter import with_adapter
from embedlab.models.backbone import Backbone
from embedlab.models.design import Design
from embedlab.models.head import TrainableHead
from embedlab.progress import Progress, no_progress
from embedlab.training import mntp
from embedlab.training.history import Step
from embedlab.training.lora import add_lora
from embedlab.training.losses import info_nce, mean_reciprocal_rank, repeated
from embedlab.training.passes import Pooler, PromptedText
from embedlab.training.recipe import Recipe

if TYPE_CHECKING:
    from embedlab.data.pairs import PairSet

#: Full passes whose activations are kept at most, whatever the recipe says.
KEPT_PASSES = 4


class Training:
    """One training, a step at a time.

    Args:
        backbone: an untrained backbone; it is not changed, and others may go on using it.
        design: what to train.
        pairs: anchors and positives, maybe hard negatives.
        recipe: the hyper-parameters.
        name: what the trained backbone is called.
        progress: called while the states of a frozen backbone are computed.

    Raises:
        EmbedLabError: there is nothing to train, or this deployment lends its GPU by the call.
    """

    def __init__(
        self,
        backbone: Backbone,
        design: Design,
        pairs: PairSet,
        recipe: Recipe,
        *,
        name: str = "trained",
        progress: Progress = no_progress,
    ) -> None:
        recipe.check(design)
        backbone.check(design)
        if gpu.LENT:
            raise EmbedLabError(
                "Training is not offered where the GPU is lent by the call; run EmbedLab on a "
                "machine of your own."
            )
        if backbone.adapter is not None:
            raise EmbedLabError(
                f"{backbone.name} is trained already; start from what it came from."
            )
        self.base, self.design, self.recipe, self.pairs = backbone, design, recipe, pairs
        used = pairs
        if recipe.max_pairs and recipe.max_pairs < len(pairs):
            order = random.Random(recipe.seed).sample(range(len(pairs)), max(2, recipe.max_pairs))
            used = pairs.take(sorted(order))
        self.train_pairs, self.held = used.split(recipe.held_out, recipe.seed)
        self.head = self._new_head()
        self.adapter: Any = None if recipe.mode == "head" else add_lora(backbone, recipe)
        self.live = backbone
        if self.adapter is not None:
            self.live = with_adapter(backbone, self.adapter, name)
        self.name = name
        self.pooler = Pooler(self.live, design, recipe, self.head)
        self.optimizer = self._new_optimizer()
        self.history: list[Step] = []
        self.done = 0
        self.failed = ""
        #: The last weights that gave a finite loss.
        self.good: list[Tensor] | None = None
        self._order: tuple[int, list[int]] | None = None
        if recipe.mode == "head":
            self._fill_cache(progress)

    # What is trained

    def _new_head(self) -> TrainableHead | None:
        if not self.design.trainable:
            return None
        return self.base.new_head(self.design, seed=self.recipe.seed).to(self.base.device)

    def _new_optimizer(self) -> torch.optim.Optimizer:
        groups = []
        if self.adapter is not None:
            lora = [p for p in self.adapter.parameters() if p.requires_grad]
            groups.append({"params": lora, "lr": self.recipe.lr, "height": self.recipe.lr})
        if self.head is not None:
            rate = self.recipe.head_lr
            groups.append({"params": list(self.head.parameters()), "lr": rate, "height": rate})
        return torch.optim.AdamW(groups, weight_decay=self.recipe.weight_decay, fused=True)

    @property
    def parameters(self) -> list[Tensor]:
        """Everything that is trained."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    @property
    def total(self) -> int:
        """Steps of both phases."""
        return self.recipe.mntp_steps + self.recipe.steps

    @property
    def learned(self) -> int:
        """The steps that are in the weights: a training that failed went back by one."""
        return max(0, self.done - 1) if self.failed else self.done

    def result(self) -> Backbone:
        """The backbone with what was learned so far, for any number of threads."""
        if self.adapter is None:
            trained = self.base.sibling(self.name)
        else:
            self.adapter.eval()
            trained = with_adapter(self.base, self.adapter, self.name)
        if self.head is not None:
            self.head.trained = True
            trained.install(self.design, self.head)
        return trained

    # The loop

    def run(self, progress: Progress = no_progress) -> Iterator[Step]:
        """Train to the end, yielding every step.

        To stop, stop iterating between two steps, or raise ``Cancelled`` in ``progress``: a step
        that is not finished changes nothing. Calling this again goes on.

        A loss or gradient that is not finite ends the training: the weights go back to the last
        that gave a finite loss, and :attr:`failed` says what happened.
        """
        try:
            if not self.history:
                held = self.score(progress)
                yield self._note(Step(0, self._phase(0), None, 0.0, 0, 0.0, held))
            while self.done < self.total and not self.failed:
                step = self._step(progress)
                if step is not None:
                    yield step
        except Cancelled:
            self.optimizer.zero_grad(set_to_none=True)

    def _step(self, progress: Progress) -> Step | None:
        start = time.perf_counter()
        phase, lr = self._phase(self.done), self._set_rate()
        work = self._mntp_step if phase == "mntp" else self._contrastive_step
        loss, tokens = work(progress)
        if not self._apply(loss):
            return None
        seconds = time.perf_counter() - start
        self.done += 1
        # The update is made: being stopped while scoring must not lose its place in the history.
        step = Step(self.done, phase, loss, lr, tokens, seconds)
        try:
            if self._is_due():
                step = dataclasses.replace(step, held_out=self.score(progress))
        except Cancelled:
            pass
        finally:
            self._note(step)
        return step

    def _note(self, step: Step) -> Step:
        self.history.append(step)
        return step

    def _phase(self, done: int) -> str:
        return "mntp" if done < self.recipe.mntp_steps else "contrastive"

    def _is_due(self) -> bool:
        return self.done % self.recipe.evaluate_every == 0 or self.done == self.total

    def _set_rate(self) -> float:
        """The step's learning rate, of the first group; a new phase starts a new optimiser."""
        if self.done == self.recipe.mntp_steps and self.done:
            self.optimizer = self._new_optimizer()
        first = self.done < self.recipe.mntp_steps
        within = self.done if first else self.done - self.recipe.mntp_steps
        recipe = self.recipe
        if first:
            recipe = dataclasses.replace(recipe, steps=recipe.mntp_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["height"] * recipe.rate(within)
        return float(self.optimizer.param_groups[0]["lr"])

    def _apply(self, loss: float) -> bool:
        """Update the weights, unless the loss or the gradient is not finite."""
        trained = [p for p in self.parameters if p.grad is not None]
        norm = torch.nn.utils.clip_grad_norm_(trained, self.recipe.clip or math.inf)
        if not (math.isfinite(loss) and bool(torch.isfinite(norm))):
            self._go_back()
            self.failed = (
                f"The loss was no longer a number at step {self.done + 1}; the training stopped, "
                f"and the weights are those of step {max(0, self.done - 1)}. Choose a lower "
                "learning rate."
            )
            self.optimizer.zero_grad(set_to_none=True)
            return False
        self.good = [p.detach().clone() for p in self.parameters]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return True

    @torch.no_grad()
    def _go_back(self) -> None:
        if self.good is not None:
            for parameter, good in zip(self.parameters, self.good, strict=True):
                parameter.copy_(good)

    # One step

    def batch(self, step: int) -> list[int]:
        """Which pairs a contrastive step trains on; the seed fixes every epoch's order."""
        n, size = len(self.train_pairs), min(self.recipe.batch, len(self.train_pairs))
        epoch, place = divmod(step, n // size)
        if self._order is None or self._order[0] != epoch:
            order = list(range(n))
            random.Random(f"{self.recipe.seed}/{epoch}").shuffle(order)
            self._order = epoch, order
        return self._order[1][place * size : (place + 1) * size]

    def _contrastive_step(self, progress: Progress) -> tuple[float, int]:
        number = self.done - self.recipe.mntp_steps
        pairs, chosen = self.train_pairs, self.batch(number)
        hard = pairs.negatives if self.recipe.hard_negatives else ()
        anchors: list[PromptedText] = [(pairs.anchors[i], True) for i in chosen]
        positives: list[PromptedText] = [(pairs.positives[i], False) for i in chosen]
        negatives: list[PromptedText] = [(hard[i], False) for i in chosen if hard]
        # A text that stands in the batch twice goes through the backbone once.
        rows = {asked: i for i, asked in enumerate(dict.fromkeys(anchors + positives + negatives))}

        def loss_of(pooled: Tensor) -> Tensor:
            a, p, n = (
                pooled[[rows[one] for one in part]] for part in (anchors, positives, negatives)
            )
            return info_nce(
                a,
                p,
                n if negatives else None,
                scale=self.recipe.scale,
                both_directions=self.recipe.both_directions,
                same=repeated([text for text, _ in positives]),
            )

        if self.adapter is not None:
            self.adapter.train()
        return self._backward(list(rows), loss_of, progress)

    def _backward(
        self, texts: Sequence[PromptedText], loss_of: Any, progress: Progress
    ) -> tuple[float, int]:
        """Accumulate the gradient of a loss over all texts' vectors, a micro-batch at a time.

        The loss needs every vector of the batch, a graph only its own micro-batch: so the loss's
        gradient is taken with respect to the vectors, and then each micro-batch is sent its share
        (GradCache). Where the batch is too large to keep the graphs, each is built a second time,
        with the same dropout.
        """
        encoded = self.pooler.encode(texts)
        lengths = [len(e.ids) for e in encoded]
        parts = self.pooler.parts(encoded)
        keep = sum(lengths) <= min(self.recipe.keep_tokens, KEPT_PASSES * self.base.token_budget)

        def forward(number: int) -> Tensor:
            progress(self.done, self.total, "training")
            part = parts[number]
            seed = _draw(self.recipe.seed, self.done, number)
            return self.pooler.pooled([texts[i] for i in part], [encoded[i] for i in part], seed)

        with torch.set_grad_enabled(keep):
            graphs = [forward(number) for number in range(len(parts))]
        vectors = torch.empty(len(texts), graphs[0].shape[1], device=graphs[0].device)
        for part, graph in zip(parts, graphs, strict=True):
            vectors[part] = graph.detach().float()
        loss = loss_of(vectors.requires_grad_(True))
        loss.backward()
        assert vectors.grad is not None
        for number, part in enumerate(parts):
            graph = graphs[number] if keep else forward(number)
            with self.pooler.turn():
                graph.backward(vectors.grad[part].to(graph.dtype))
        return float(loss.detach()), sum(lengths)

    def _mntp_step(self, progress: Progress) -> tuple[float, int]:
        progress(self.done, self.total, "masked next-token prediction")
        pairs = self.train_pairs
        texts = [t for i in self.batch(self.done) for t in (pairs.anchors[i], pairs.positives[i])]
        encoded = self.live.encode(list(dict.fromkeys(texts)))
        # Of a text of one token only the EOS could be masked.
        encoded = [e for e in encoded if len(e.ids) > 2] or encoded
        self.adapter.train()
        seed = _draw(self.recipe.seed, self.done)
        assert self.pooler.packer is not None  # MNTP trains the backbone: Recipe.check
        loss = mntp.backward(self.pooler.packer, encoded, self.pooler.parts(encoded), seed)
        return loss, sum(len(e.ids) for e in encoded)

    # Held-out pairs, and what is frozen

    @torch.no_grad()
    def score(self, progress: Progress = no_progress) -> float | None:
        """The held-out pairs' mean reciprocal rank; None where too few were held out."""
        if len(self.held) < 2:
            return None
        if self.adapter is not None:
            self.adapter.eval()
        texts: list[PromptedText] = [(t, True) for t in self.held.anchors]
        texts += [(t, False) for t in self.held.positives]
        encoded = self.pooler.encode(texts)
        vectors = torch.zeros(len(texts), self.base.hidden_size)
        for part in self.pooler.parts(encoded):
            progress(self.done, self.total, "scoring held-out pairs")
            pooled = self.pooler.pooled([texts[i] for i in part], [encoded[i] for i in part], 0)
            vectors[part] = pooled.float().cpu()
        n = len(self.held)
        if not bool(torch.isfinite(vectors).all()):
            return None
        return mean_reciprocal_rank(vectors[:n], vectors[n:], repeated(self.held.positives))

    def _fill_cache(self, progress: Progress) -> None:
        """A frozen backbone's states, computed before the first step rather than within it.

        Of what will be asked for, that is: few steps see few of many pairs.
        """
        seen = {i for step in range(self.recipe.steps) for i in self.batch(step)}
        for pairs in filter(len, (self.train_pairs.take(sorted(seen)), self.held)):
            for texts, prompt in (
                (pairs.anchors, self.design.query_prompt),
                (pairs.positives + pairs.negatives, self.design.document_prompt),
            ):
                self.base.states(texts, self.design.attention, prompt, progress=progress)


def _draw(*what: int) -> int:
    """A seed that is a function of ``what``, in every process."""
    return random.Random("/".join(map(str, what))).getrandbits(31)
