"""Export a trained model: write it, check the export in a fresh process, pack it.

An adapter is written here, a merged model by :mod:`embedlab.export.sentence_transformers`.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from embedlab.errors import EmbedLabError, check_known
from embedlab.export.archive import package
from embedlab.export.check import CHECK_TEXTS, GGUF_TOLERANCE, Check, verify
from embedlab.export.model_card import model_card, public_name, without_local_paths
from embedlab.files import atomic_folder, disk_errors, write_json
from embedlab.models.design import Design
from embedlab.models.run_folder import STEPS_FILE, RunInfo, write_run_info
from embedlab.models.steps import FittedSteps
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.export.static import StaticModel
    from embedlab.models.backbone import Backbone

#: The kinds of export, and what each is.
EXPORT_KINDS = {
    "adapter": "adapter and head, a few megabytes, for EmbedLab on the same backbone",
    "sentence-transformers": "the merged model as a folder for sentence-transformers",
    "static": "a vector a token, much faster, for model2vec and sentence-transformers",
    "gguf": "one file for llama.cpp, of a design of the last layer's mean or last token",
}
#: The file of a GGUF export.
GGUF_FILE = "model.gguf"
#: Sentences on what a static model does beside the design it was distilled from.
Quality = Callable[["StaticModel", Progress], Sequence[str]]
#: What a run may have learned.
_WEIGHTS = ("adapter/adapter_model.safetensors", "head.safetensors", STEPS_FILE)


def export_model(
    backbone: Backbone,
    design: Design,
    run_info: RunInfo,
    run_folder: Path,
    out: Path,
    kind: str,
    progress: Progress = no_progress,
    *,
    steps: FittedSteps | None = None,
    quality: Quality | None = None,
) -> tuple[Path, Check]:
    """Export, check and pack: the archive's path and the result of the check.

    Args:
        run_info: the content of ``run.json`` in ``run_folder``.
        run_folder: the run's folder.
        out: the folder of the archive, which is named after the run and the kind.
        kind: one of :data:`EXPORT_KINDS`.
        steps: the design's, fitted on documents; by default those in the run's folder.
        quality: measures a static model, for its card.

    Raises:
        EmbedLabError: an unknown kind, or the export differs; then there is no archive.
    """
    from embedlab.export.sentence_transformers import export_sentence_transformers
    from embedlab.models.embedding import embed

    check_known(kind, "a kind of export", EXPORT_KINDS)
    target = out / f"{_file_name(run_info.name)}-{kind}.zip"
    with disk_errors(target.name):
        out.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
    steps = _steps(design, backbone, run_folder, steps)
    with tempfile.TemporaryDirectory(dir=out, prefix=".export-") as work:
        folder = Path(work) / "model"
        if kind == "static":
            check = _static(backbone, design, run_info, folder, steps, quality, progress)
        elif kind == "gguf":
            check = _gguf(backbone, design, run_info, folder, progress)
        else:
            # In float32, as the export is: what bfloat16 rounds away would hide a mistake.
            exact = backbone.in_float32()
            expected = embed(CHECK_TEXTS, design, exact, fit=steps, progress=progress)
            del exact
            if kind == "adapter":
                export_adapter(run_folder, run_info, folder)
            else:
                export_sentence_transformers(
                    backbone, design, run_info, folder, progress, steps=steps
                )
            check = verify(folder, expected, CHECK_TEXTS, progress, rounding=steps.rounding)
        if not check.ok:
            raise EmbedLabError(
                f"The export gives other vectors than the trained model (largest difference "
                f"{check.largest_difference:.2g}, allowed {check.tolerance:g}), so there is no "
                "download; try the other kind of export."
            )
        progress(0, 0, "packing")
        return package(folder, target), check


def _static(
    backbone: Backbone,
    design: Design,
    run_info: RunInfo,
    folder: Path,
    steps: FittedSteps,
    quality: Quality | None,
    progress: Progress,
) -> Check:
    """Distil a design, write its folder, and compare what sentence-transformers makes of it."""
    from embedlab.export.static import distil, export_static

    model = distil(backbone, design, steps=steps, progress=progress)
    lines = () if quality is None else quality(model, progress)
    export_static(model, run_info, folder, lines)
    check = verify(folder, model.embed(CHECK_TEXTS), CHECK_TEXTS, progress)
    return replace(check, notes=tuple(lines))


def _gguf(
    backbone: Backbone, design: Design, run_info: RunInfo, folder: Path, progress: Progress
) -> Check:
    """Write a GGUF file, and compare what llama.cpp makes of it, where there is one."""
    from embedlab.export import gguf_file
    from embedlab.models.embedding import embed

    public = without_local_paths(run_info)
    with disk_errors(folder.name), atomic_folder(folder) as partial:
        gguf_file.write_gguf(backbone, design, partial / GGUF_FILE, public.name, progress)
        card = model_card(public, "gguf", own_code=False)
        (partial / "README.md").write_text(card, encoding="utf-8")
    if not gguf_file.llama_cpp_is_here():
        return Check(
            0.0, GGUF_TOLERANCE, 0, notes=(f"Not checked: {gguf_file.LLAMA_CPP_MISSING}.",)
        )
    # llama.cpp cuts no text: longer ones than the model reads are none of its business.
    texts = [
        text
        for text, encoded in zip(CHECK_TEXTS, backbone.encode(CHECK_TEXTS), strict=True)
        if not encoded.truncated
    ]
    prefix = design.templates(query=False)[0].parts[0]
    expected = embed(texts, design, backbone.in_float32(), progress=progress)
    return verify(folder, expected, [prefix + text for text in texts], progress)


def _steps(
    design: Design, backbone: Backbone, run_folder: Path, steps: FittedSteps | None
) -> FittedSteps:
    """The design's steps, from the run's folder where they are not given."""
    from embedlab.models.embedding import fit

    if steps is None and (run_folder / STEPS_FILE).is_file():
        steps = FittedSteps.load(run_folder / STEPS_FILE)
    if steps is not None:
        steps.check(str(design), backbone.key)
        return steps
    if design.fitted:
        raise EmbedLabError(
            f"The steps of {design} have not been fitted; name the texts they are fitted on "
            "(`embedlab export … --fit CORPUS`)."
        )
    return fit((), design, backbone)


def export_adapter(run_folder: Path, run_info: RunInfo, out: Path) -> Path:
    """Write the small part of a run: ``run.json``, the adapter, the head, and a model card.

    Raises:
        EmbedLabError: nothing was trained, the backbone is a folder of this machine, ``out``
            exists, or the disk is full.
    """
    backbone_id = run_info.backbone.id
    if obstacle := adapter_obstacle(backbone_id):
        raise EmbedLabError(obstacle)
    names = [name for name in _WEIGHTS if (run_folder / name).is_file()]
    if not set(names) - {STEPS_FILE}:
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


def adapter_obstacle(backbone_id: str) -> str:
    """Why an adapter of this backbone would be of no use to others, or nothing."""
    if public_name(backbone_id) == backbone_id:
        return ""
    return (
        f"An adapter needs its backbone, and {public_name(backbone_id)!r} is a folder on this "
        "machine; take the merged sentence-transformers folder instead."
    )


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60] or "model"
