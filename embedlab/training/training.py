"""A short contrastive training of a design: LoRA, a head, or both.

No library's trainer runs the loop, because a live training has to yield after every step, let
other users' queries run between two layers, and stop at once without losing what was learned; peft
does LoRA, torch the optimiser.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from embedlab import gpu
from embedlab.data.known_positives import KnownPositives
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.models.adapter import with_adapter
from embedlab.models.backbone import Backbone
from embedlab.models.design import Design
from embedlab.models.head import TrainableHead
from embedlab.models.pooling import PAPER_HEAD
from embedlab.progress import Progress, no_progress
from embedlab.training import authors, grad_cache, mntp
from embedlab.training.history import Step
from embedlab.training.lora import add_lora
from embedlab.training.losses import info_nce, mean_reciprocal_rank
from embedlab.training.optimiser import Optimiser
from embedlab.training.passes import Pooler, PromptedText
from embedlab.training.processes import ALONE, Processes
from embedlab.training.recipe import Recipe

if TYPE_CHECKING:
    from embedlab.data.pairs import PairSet

T = TypeVar("T")


class Training:
    """One training, a step at a time: MNTP first where the recipe has it, then contrastive.

    ``untrained`` is the backbone as it was given, ``adapted`` the one whose adapter is trained (the
    same where the head alone is); ``steps_done`` counts through both phases, and ``failed`` is
    the reason why the training ended early, or empty.

    Args:
        backbone: an untrained backbone; it is not changed, and others may go on using it.
        design: to train.
        pairs: to train and to score it on.
        processes: those that train together; every one makes the same steps.
        progress: called while the states of a frozen backbone are computed.

    Raises:
        EmbedLabError: there is nothing to train, or the processes mean different trainings.
    """

    def __init__(
        self,
        backbone: Backbone,
        design: Design,
        pairs: PairSet,
        recipe: Recipe,
        *,
        name: str = "trained",
        processes: Processes = ALONE,
        progress: Progress = no_progress,
    ) -> None:
        recipe.check(design)
        backbone.check(design)
        if backbone.adapter is not None:
            raise EmbedLabError(
                f"{backbone.name} is trained already; choose the untrained backbone."
            )
        self.untrained, self.design, self.recipe, self.pairs = backbone, design, recipe, pairs
        self.name, self.processes = name, processes
        self.train_pairs, self.held_out_pairs = recipe.split(pairs)
        self._known = KnownPositives(pairs)
        self.head: TrainableHead | None = None
        if design.trainable:
            self.head = _new_head(backbone, design, recipe).to(backbone.here)
        self.adapter: Any = None if recipe.mode == "head" else add_lora(backbone, recipe)
        self.adapted = backbone.reading(recipe.max_length or backbone.max_length)
        if self.adapter is not None:
            self.adapted = with_adapter(self.adapted, self.adapter, name)
        self.pooler = Pooler(self.adapted, design, recipe, self.head)
        self.optimiser = Optimiser(self.adapter, self.head, recipe)
        self.history: list[Step] = []
        self.steps_done = 0
        self.failed = ""
        self._order: tuple[int, list[int]] | None = None
        processes.check_same({"design": str(design), "recipe": recipe, "pairs": pairs.digest})
        processes.same_weights(self.optimiser.parameters)
        # On a lent GPU in the call that trains; of several processes each its share as it comes.
        if recipe.mode == "head" and not gpu.LENT and processes.count == 1:
            self._fill_cache(progress)

    def _fill_cache(self, progress: Progress) -> None:
        """A frozen backbone's states, computed before the first step rather than within it.

        Only of the pairs that will be used: few steps see few of many pairs.
        """
        batches = [self.batch_pairs(step) for step in range(self.recipe.steps)]
        read = [*batches, self.held_out_pairs]
        anchors = [text for pairs in read for text in pairs.anchors]
        documents = [text for pairs in read for text in pairs.positives]
        documents += [text for pairs in batches for text in pairs.every_negative]
        for texts, query in ((anchors, True), (documents, False)):
            distinct = list(dict.fromkeys(texts))
            (template,) = self.design.templates(query=query)
            self.adapted.states(distinct, self.design.mode, template, progress=progress)

    @property
    def total(self) -> int:
        """Steps of both phases."""
        return self.recipe.mntp_steps + self.recipe.steps

    @property
    def learned(self) -> int:
        """The steps that are in the weights: a training that failed went back by one."""
        return max(0, self.steps_done - 1) if self.failed else self.steps_done

    def result(self) -> Backbone:
        """The backbone with what was learned so far, for any number of threads."""
        if self.adapter is None:
            trained = self.untrained.sibling(self.name)
        else:
            self.adapter.eval()
            trained = with_adapter(self.untrained, self.adapter, self.name)
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
        that gave a finite loss, and :attr:`failed` has the reason.
        """
        steps = self._steps(progress)
        # A head alone is trained on hidden states that are there; the model is not needed.
        return steps if self.recipe.mode == "head" else self.untrained.owner.advance(steps)

    def _steps(self, progress: Progress) -> Iterator[Step]:
        """Written as if nobody else used the model, whose owner runs it between other work."""
        try:
            if not self.history:
                score = self._fitting(lambda: self.score(progress))
                self.history.append(Step(0, self._phase, None, 0.0, 0, 0.0, score))
                yield self.history[-1]
            while self.steps_done < self.total and not self.failed:
                if self._step(progress):
                    yield self.history[-1]
        except Cancelled:
            self.optimiser.discard_gradient()

    @property
    def _phase(self) -> str:
        return "mntp" if self.steps_done < self.recipe.mntp_steps else "contrastive"

    def _step(self, progress: Progress) -> bool:
        """One update and its entry in the history; False where the loss was not finite."""
        start = time.perf_counter()
        phase, rate = self._phase, self._set_rate()
        train = self._mntp_step if phase == "mntp" else self._contrastive_step
        if self.adapter is not None:
            self.adapter.train()
        loss, tokens = self._fitting(lambda: train(progress))
        self.processes.add_gradients(self.optimiser.parameters)
        if not self.optimiser.update(loss):
            self.failed = (
                f"The loss was no longer a number at step {self.steps_done + 1}; the training "
                f"stopped, and the weights are those of step {max(0, self.steps_done - 1)}. Choose "
                "a lower learning rate."
            )
            return False
        seconds = time.perf_counter() - start
        self.steps_done += 1
        # The update is made: being stopped while scoring must not cost its entry in the history.
        self.history.append(Step(self.steps_done, phase, loss, rate, tokens, seconds))
        if self.steps_done % self.recipe.evaluate_every == 0 or self.steps_done == self.total:
            with suppress(Cancelled):
                score = self._fitting(lambda: self.score(progress))
                self.history[-1] = replace(self.history[-1], held_out=score)
        return True

    def _fitting(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, in smaller parts where a GPU's memory does not hold the usual."""
        while True:
            try:
                return work()
            except torch.OutOfMemoryError as error:
                self.optimiser.discard_gradient()
                torch.cuda.empty_cache()
                if not self.pooler.halve():
                    raise EmbedLabError(
                        "The GPU's memory does not suffice for this training, not even for a few "
                        "texts at a time; use shorter ones, or close what else uses the GPU."
                    ) from error

    def rate(self, step: int) -> float:
        """The share of the learning rate that contrastive update ``step`` (from 0) uses."""
        return self.recipe.rate(step)

    def _set_rate(self) -> float:
        """The step's learning rate, of the first group; each phase has its own schedule."""
        mntp_steps = self.recipe.mntp_steps
        if self._phase == "mntp":
            share = replace(self.recipe, steps=mntp_steps).rate(self.steps_done)
        else:
            share = self.rate(self.steps_done - mntp_steps)
            if self.steps_done == mntp_steps and mntp_steps:
                self.optimiser.restart()
        return self.optimiser.set_rate(share)

    # One step

    def batch(self, step: int) -> list[int]:
        """Which pairs a contrastive step trains on; the seed fixes every epoch's order."""
        n, size = len(self.train_pairs), min(self.recipe.batch, len(self.train_pairs))
        epoch, number = divmod(step, n // size)
        if self._order is None or self._order[0] != epoch:
            order = list(range(n))
            random.Random(f"{self.recipe.seed}/{epoch}").shuffle(order)
            self._order = epoch, order
        return self._order[1][number * size : (number + 1) * size]

    def batch_pairs(self, step: int) -> PairSet:
        """The pairs of a contrastive step, each with the hard negatives that it uses there.

        Of more than the recipe's bound an epoch draws some, and another epoch others.
        """
        pairs, recipe = self.train_pairs.take(self.batch(step)), self.recipe
        if not recipe.hard_negatives:
            return replace(pairs, negatives=())
        most = recipe.max_negatives
        if not most or all(len(texts) <= most for texts in pairs.negatives):
            return pairs
        draw = random.Random(f"{recipe.seed}/{step}/negatives")
        chosen = (draw.sample(texts, min(most, len(texts))) for texts in pairs.negatives)
        return replace(pairs, negatives=tuple(map(tuple, chosen)))

    def _contrastive_step(self, progress: Progress) -> tuple[float, int]:
        """The gradient of InfoNCE over a batch: its loss and tokens.

        Where the recipe groups the pairs, the groups' losses are averaged, each pair counting
        alike.
        """
        pairs = self.batch_pairs(self.steps_done - self.recipe.mntp_steps)
        n, size = len(pairs), self.recipe.group or len(pairs)
        loss, tokens = 0.0, 0
        for number, start in enumerate(range(0, n, size)):
            what = f"training, group {number + 1} of {-(-n // size)}" if size < n else "training"
            group = pairs.take(range(start, min(start + size, n)))
            own_seed = (number,) if self.recipe.group else ()
            part, read = self._group_gradient(
                group,
                len(group) / n,
                own_seed,
                partial(progress, self.steps_done, self.total, what),
            )
            loss, tokens = loss + part, tokens + read
        return loss, tokens

    def _group_gradient(
        self, pairs: PairSet, share: float, seed: tuple[int, ...], report: Callable[[], None]
    ) -> tuple[float, int]:
        """The gradient of ``share`` times the loss of pairs that meet: that, and the tokens."""
        if self.recipe.as_authors:
            hard, masked = [text for texts in pairs.negatives for text in texts], None
        else:
            # Several pairs may share a negative, or have another's positive as theirs.
            hard = [text for text in pairs.every_negative if text not in set(pairs.positives)]
            masked = torch.from_numpy(
                self._known.masked(pairs.anchors, [*pairs.positives, *hard], pairs.negatives)
            )
        anchors, positives, negatives = (
            [(text, query) for text in texts]
            for texts, query in ((pairs.anchors, True), (pairs.positives, False), (hard, False))
        )
        # A text that is in the batch twice goes through the backbone once.
        texts: list[PromptedText] = list(dict.fromkeys(anchors + positives + negatives))
        row_of = {text: row for row, text in enumerate(texts)}

        def loss_of(vectors: Tensor) -> Tensor:
            a, p, n = (
                vectors[[row_of[text] for text in part]] for part in (anchors, positives, negatives)
            )
            return share * info_nce(
                a,
                p,
                n if negatives else None,
                scale=self.recipe.scale,
                both_directions=self.recipe.both_directions,
                masked=masked,
            )

        return grad_cache.backward(
            self.pooler,
            texts,
            loss_of,
            lambda number: _seed(self.recipe.seed, self.steps_done, *seed, number),
            report,
            self.processes,
        )

    def _mntp_step(self, progress: Progress) -> tuple[float, int]:
        """The gradient of masked next-token prediction on a batch's texts: its loss and tokens."""
        progress(self.steps_done, self.total, "masked next-token prediction")
        pairs, chosen = self.train_pairs, self.batch(self.steps_done)
        texts = [text for i in chosen for text in (pairs.anchors[i], pairs.positives[i])]
        encoded = self.adapted.encode(list(dict.fromkeys(texts)))
        # Of a text of one token only the end token could be masked.
        encoded = [e for e in encoded if len(e.ids) > 2] or encoded
        assert self.pooler.packer is not None  # no MNTP in the mode that trains the head alone
        seed = _seed(self.recipe.seed, self.steps_done)
        lengths = [len(e.ids) for e in encoded]
        own = self.processes.shares(lengths)[self.processes.rank]
        parts = self.pooler.parts([encoded[i] for i in own]) if own else []
        with self.processes.together():
            loss = mntp.backward(
                self.pooler.packer,
                encoded,
                [[own[k] for k in part] for part in parts],
                seed,
                self.processes.number,
            )
        return self.processes.sum(loss), sum(lengths)

    @torch.no_grad()
    def score(self, progress: Progress = no_progress) -> float | None:
        """The held-out pairs' mean reciprocal rank; None where too few were held out."""
        pairs = self.held_out_pairs
        if len(pairs) < 2:
            return None
        if self.adapter is not None:
            self.adapter.eval()
        texts: list[PromptedText] = [(text, True) for text in pairs.anchors]
        texts += [(text, False) for text in pairs.positives]
        encoded = self.pooler.encode(texts)
        shares = self.processes.shares([len(e.ids) for e in encoded])
        own = shares[self.processes.rank]
        rows = torch.zeros(len(own), self.pooler.vector_size, device=self.processes.device)
        with self.processes.together():
            for numbers in self.pooler.parts([encoded[i] for i in own]) if own else []:
                progress(self.steps_done, self.total, "scoring held-out pairs")
                part = [own[k] for k in numbers]
                pooled = self.pooler.pooled([texts[i] for i in part], [encoded[i] for i in part], 0)
                rows[numbers] = pooled.float().to(rows.device)
        vectors = self.processes.gather(rows, shares).cpu()
        if not bool(torch.isfinite(vectors).all()):
            return None
        n = len(pairs)
        masked = torch.from_numpy(self._known.masked(pairs.anchors, pairs.positives))
        return mean_reciprocal_rank(vectors[:n], vectors[n:], masked)


def _new_head(backbone: Backbone, design: Design, recipe: Recipe) -> TrainableHead:
    size = PAPER_HEAD if recipe.head == "paper" else None
    head = backbone.new_head(design, size, recipe.seed)
    if recipe.as_authors:
        authors.draw(head, recipe.seed)
    return head


def _seed(*parts: int) -> int:
    """A seed that is a function of its parts, in every process."""
    return random.Random("/".join(map(str, parts))).getrandbits(31)
