"""The backbones of one deployment: which are offered, loaded once for all users."""

from __future__ import annotations

import logging
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from embedlab import assets, gpu
from embedlab.catalogue import CATALOGUE
from embedlab.errors import EmbedLabError
from embedlab.lab.cache import LruCache
from embedlab.lab.config import BackboneEntry, Config
from embedlab.lab.jobs import Jobs
from embedlab.models.run_folder import load_run
from embedlab.models.state_cache import StateCache
from embedlab.models.trained_designs import trained_designs, verify
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone

#: Trained designs in memory, some 30 MB each.
MOST_TRAINED = 8

log = logging.getLogger("embedlab")


class Backbones:
    """The untrained backbones of a config.

    Args:
        config: which there are, and how many may be in memory.
        states: the cache of their hidden states.
        jobs: shares the loading between callers.
    """

    def __init__(self, config: Config, states: StateCache, jobs: Jobs) -> None:
        self._config, self._states, self._jobs = config, states, jobs
        #: Those in memory, by id.
        self.loaded: LruCache[Backbone] = LruCache(
            # Where the GPU is lent by the call, the platform has them all, and none can be added.
            len(config.backbones) if gpu.LENT else config.limits.max_backbones
        )
        #: Trained designs with the backbone that each stands on; they share its weights.
        self._trained: LruCache[tuple[Backbone, Backbone]] = LruCache(MOST_TRAINED)
        #: Why one of the config is not here, where that is settled at the start.
        self.missing: dict[str, str] = {}
        #: The id of the one the config names, or of the one that ``auto`` means on this machine.
        self.default = _default_backbone(config)

    def get(self, backbone_id: str, progress: Progress = no_progress) -> Backbone:
        """A backbone of the config, loaded once for all callers."""
        entry = self._config.backbone(backbone_id)
        if entry.id in self.missing:
            raise EmbedLabError(
                f"{entry.id} could not be loaded when this Space started, and cannot be later: "
                f"{self.missing[entry.id]}"
            )
        load = partial(self._load, entry)
        return self.loaded.get(entry.id) or self._jobs.run(("backbone", entry.id), load, progress)

    def is_trained(self, model: str) -> bool:
        """Whether this names a trained design that ships, and no backbone of the config."""
        return model in trained_designs() and model not in {e.id for e in self._config.backbones}

    def trained(self, design_id: str, progress: Progress) -> Backbone:
        """A trained design's backbone, loaded once for all callers.

        Raises:
            EmbedLabError: its files are damaged, or the backbone below it is not offered.
        """
        design = trained_designs()[design_id]
        base = self.get(design.backbone_id, progress)

        def load(report: Progress) -> Backbone:
            report(0, 0, f"loading {design_id}")
            verify(design.folder)
            loaded = load_run(design.folder, base)
            self._trained.put(design_id, (base, loaded))
            return loaded

        known = self._trained.get(design_id)
        # Of a backbone that was loaded anew the old weights would stay in memory.
        if known is not None and known[0] is base:
            return known[1]
        return self._jobs.run(("trained design", design_id), load, progress)

    def _load(self, entry: BackboneEntry, progress: Progress) -> Backbone:
        if entry.id in CATALOGUE:
            # Before torch, whose import takes seconds in which nothing would seem to happen.
            assets.fetch(entry.id, progress)
        progress(0, 0, "loading torch and transformers")
        from embedlab.models.loading import load_backbone

        backbone = load_backbone(
            entry.id,
            base=entry.base or None,
            max_length=entry.max_length,
            cache=self._states,
            progress=progress,
        )
        return self.loaded.put(entry.id, backbone)

    def load_for_lent_gpu(self) -> None:
        """Load all backbones of the config, where a GPU is lent by the call; nothing elsewhere.

        The platform puts on the GPU what the main thread has loaded by the time the page is served,
        and forks workers that know just that: nothing can be loaded later. One that fails is left
        out, and :attr:`missing` says why.
        """
        if not gpu.LENT:
            return
        for entry in self._config.backbones:
            try:
                self._load(entry, no_progress)
            except EmbedLabError as error:
                log.warning("%s is not offered: %s", entry.id, error)
                self.missing[entry.id] = str(error)
        if self.default in self.missing:
            self.default = str(next(iter(self.loaded.items()), [self.default])[0])


def _default_backbone(config: Config) -> str:
    if config.default_backbone != "auto":
        return config.default_backbone
    offered = [entry for entry in config.backbones if not entry.opt_in]
    large = [entry for entry in offered if entry.hardware == "gpu"]
    if large and _has_gpu() and _hub_reachable():
        return large[0].id
    return next(entry.id for entry in offered if entry.hardware == "cpu")


def _has_gpu() -> bool:
    # torch takes seconds to import, which a machine without NVIDIA's driver need not wait for.
    if not gpu.LENT and shutil.which("nvidia-smi") is None and not Path("/dev/nvidia0").exists():
        return False
    import torch

    return gpu.LENT or torch.cuda.is_available()


def _hub_reachable() -> bool:
    """Whether the model hub answers; only checked on machines with a GPU."""
    import httpx
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        httpx.head(constants.ENDPOINT, timeout=3)
    except httpx.HTTPError:
        return False
    return True
