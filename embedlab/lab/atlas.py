"""The corpus on the table as a file for Embedding Atlas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from embedlab.analysis.clusters import Clustering
from embedlab.analysis.comparison import NEAREST, Embedded, Maps
from embedlab.export.atlas import AtlasSide, write_atlas
from embedlab.lab.clusters import clusters
from embedlab.lab.lab import Lab
from embedlab.progress import Progress, no_progress


def atlas_file(
    lab: Lab,
    target: Path,
    sides: Sequence[Embedded],
    maps: Maps,
    how: Clustering,
    progress: Progress = no_progress,
) -> None:
    """Write one corpus under one design or two, with maps, neighbours, clusters and vectors.

    Args:
        target: the parquet file.
        sides: A, or A and B, of the same corpus.
        maps: A's and B's; of one design, both are the same.
        how: how clusters are made; their names become a column of each design.
        progress: receives the work's progress.

    Raises:
        EmbedLabError: the disk does not take the file.
    """
    written, names = [], {}
    for number, (letter, side, places) in enumerate(
        zip("ab", sides, (maps.a, maps.b), strict=False)
    ):
        progress(number, len(sides), "neighbours and clusters")
        near = lab.neighbours(side, NEAREST, progress)
        found = clusters(lab, side, how, progress)
        names[f"cluster_{letter}"] = [
            found.names[label] if label >= 0 else "" for label in found.labels.tolist()
        ]
        written.append(
            AtlasSide(
                letter=letter,
                name=f"{side.design} on {side.backbone.name}",
                vectors=side.vectors,
                places=places,
                ids=near.ids[:, :NEAREST],
                cosines=near.similarities[:, :NEAREST],
            )
        )
    write_atlas(target, sides[0].corpus, written, names)
