"""The views that are there at once: prepared vectors and maps, used as long as they agree.

They are of one corpus's texts, of a backbone by its id, and of designs. Once the backbone is loaded
its weights have to be those that the vectors came from; other ones, and the views are dropped.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from embedlab.analysis.clusters import Clustering, Clusters
from embedlab.analysis.comparison import Embedded, Maps
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab.config import Config
from embedlab.lab.prepared_file import PreparedFile, read_prepared
from embedlab.models.design import Design
from embedlab.models.no_backbone import AwaitedBackbone
from embedlab.resources import PREPARED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedlab.models.backbone import Backbone

log = logging.getLogger("embedlab")


class PreparedViews:
    """The prepared views that a deployment can show; safe for many threads.

    Args:
        config: the backbones on offer, by whose ids the views are known.
        folder: has the files, which are read when the first view is asked for.
    """

    def __init__(self, config: Config, folder: Path = PREPARED) -> None:
        self._config, self._folder = config, folder
        self._lock = threading.Lock()
        #: Whether the weights of a loaded backbone are a file's, by the file and the backbone.
        self._agrees: dict[tuple[str, str], bool] = {}

    @cached_property
    def files(self) -> dict[str, PreparedFile]:
        """The files by name, without those that are damaged or of no backbone on offer."""
        offered = {entry.id: entry for entry in self._config.backbones}
        found = {}
        for path in sorted(self._folder.glob("*.safetensors")):
            try:
                file = read_prepared(path)
            except EmbedLabError as error:
                log.warning("%s", error)
                continue
            entry = offered.get(file.facts.backbone)
            if entry and not entry.base and entry.max_length == file.facts.max_length:
                found[file.name] = file
        return found

    def stand_in(self, backbone_id: str) -> AwaitedBackbone | None:
        """What stands for a backbone that is not loaded; None where nothing of it is prepared."""
        files = (f for f in self.files.values() if f.facts.backbone == backbone_id)
        return next((file.stand_in for file in files), None)

    def embedded(
        self, corpus: Corpus, design: Design, backbone_id: str, loaded: Backbone | None
    ) -> Embedded | None:
        """A corpus under a design, without any pass; None where that is not prepared.

        Args:
            loaded: the backbone of this id, where it is in memory: then its weights must agree, and
                its head must not have learned anything.
        """
        file = self._file(corpus, backbone_id)
        view = file.view(design) if file else None
        if file is None or view is None:
            return None
        if loaded is not None and not self._agree(file, design, loaded):
            return None
        backbone = loaded if loaded is not None else cast("Backbone", file.stand_in)
        prepared = view.prepared
        # The weights agree, under whatever key this process knows them.
        steps = view.steps if loaded is None else replace(view.steps, backbone=loaded.key)
        return Embedded(
            corpus, design, backbone, prepared.vectors, view.cut, steps, shipped=prepared
        )

    def dropped(self, corpus: Corpus, design: Design, backbone_id: str) -> str:
        """Why a view that was prepared is not shown; empty where none was, or where it is."""
        file = self._file(corpus, backbone_id)
        if file is None or file.view(design) is None:
            return ""
        refused = [key for key, agrees in self._agrees.items() if not agrees]
        if not any(name == file.name for name, _ in refused):
            return ""
        return (
            f"The prepared view is of other weights than those of {backbone_id} loaded here, so "
            "that it was dropped and computed anew."
        )

    def maps(
        self, a: Embedded, b: Embedded, n_neighbors: int, min_dist: float, seed: int
    ) -> Maps | None:
        """The prepared maps of two prepared views, where UMAP's settings are those they have."""
        file = self._file_of(a)
        if file is None or file is not self._file_of(b):
            return None
        facts = file.facts
        if (n_neighbors, min_dist, seed) != (facts.n_neighbors, facts.min_dist, facts.seed):
            return None
        found = file.maps(a.design, b.design)
        return None if found is None else Maps(*found, "UMAP")

    def words(self, embedded: Embedded, chosen: Sequence[int]) -> list[tuple[str, ...]] | None:
        """The words nearest to each of some texts of a prepared view; None where not prepared."""
        file = self._file_of(embedded)
        return None if file is None else file.words(embedded.design, chosen)

    def spoken(
        self, embedded: Embedded, how: Clustering, level: str, clusters: Clusters
    ) -> tuple[str, ...] | None:
        """What the means of a prepared view's clusters say; None where it is not prepared."""
        file = self._file_of(embedded)
        if file is None or how != Clustering():
            return None
        return file.spoken(embedded.design, level, clusters)

    def _file(self, corpus: Corpus, backbone_id: str) -> PreparedFile | None:
        files = self.files.values()
        return next((file for file in files if file.is_of(backbone_id, corpus)), None)

    def _file_of(self, embedded: Embedded) -> PreparedFile | None:
        """The file that a view is from; None for other vectors or a part of the texts."""
        if embedded.shipped is None:
            return None
        file = self.files.get(embedded.shipped.source)
        same = file is not None and file.facts.fingerprint == embedded.corpus.fingerprint
        return file if same else None

    def _agree(self, file: PreparedFile, design: Design, backbone: Backbone) -> bool:
        if design.trainable and backbone.head(design).trained:
            return False
        key = (file.name, backbone.key)
        with self._lock:
            if key not in self._agrees:
                from embedlab.models.weights import weights_digest

                plain = backbone.adapter is None and backbone.max_length == file.facts.max_length
                digest = weights_digest(backbone.readable_model()) if plain else ""
                self._agrees[key] = digest == file.facts.weights
                if not self._agrees[key]:
                    log.warning(
                        "%s is of other weights than %s: not used.", file.name, backbone.name
                    )
            return self._agrees[key]
