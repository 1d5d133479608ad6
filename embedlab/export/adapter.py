"""A trained design as a peft adapter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from embedlab.errors import EmbedLabError
from embedlab.export.model_card import model_card, public_name, without_local_paths
from embedlab.files import atomic_folder, disk_errors, write_json
from embedlab.models.run_folder import RunInfo, write_run_info

#: What a run may have learned.
_WEIGHTS = ("adapter/adapter_model.safetensors", "head.safetensors")


def export_adapter(run_folder: Path, run_info: RunInfo, out: Path) -> Path:
    """Write the small part of a run: ``run.json``, the adapter, the head, and a model card.

    Raises:
        EmbedLabError: nothing was trained, the backbone is a folder of this machine, ``out``
            exists, or the disk is full.
    """
    backbone_id = run_info.backbone.id
    if public_name(backbone_id) != backbone_id:
        raise EmbedLabError(
            f"An adapter needs its backbone, and {public_name(backbone_id)!r} is a folder on this "
            "machine; take the merged sentence-transformers folder instead."
        )
    names = [name for name in _WEIGHTS if (run_folder / name).is_file()]
    if not names:
        raise EmbedLabError(f"The run {run_folder.name!r} has no trained weights; train it first.")
    with disk_errors(out.name), atomic_folder(out) as folder:
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(run_folder / name, folder / name)
        if (folder / "adapter").is_dir():
            settings = Path("adapter", "adapter_config.json")
            config = json.loads((run_folder / settings).read_text(encoding="utf-8"))
            write_json(folder / settings, config | {"base_model_name_or_path": backbone_id})
        public = without_local_paths(run_info)
        write_run_info(folder, public)
        card = model_card(public, "adapter", own_code=False)
        (folder / "README.md").write_text(card, encoding="utf-8")
    return out
