"""Files that come with EmbedLab."""

from __future__ import annotations

from pathlib import Path

from embedlab.errors import EmbedLabError


def sample_folder() -> Path:
    """The repository's ``assets`` folder, where the hand-written corpora are.

    Raises:
        EmbedLabError: the package was installed without the repository around it.
    """
    folder = Path(__file__).resolve().parent.parent / "assets"
    if not (folder / "senses.jsonl").exists():
        raise EmbedLabError(
            "The sample corpus comes with the repository, not with the package; run EmbedLab "
            "from a clone, or choose another corpus."
        )
    return folder
