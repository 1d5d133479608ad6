"""A trained model as a merged folder for sentence-transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from embedlab.errors import EmbedLabError
from embedlab.export.model_card import model_card, without_local_paths
from embedlab.files import atomic_folder, disk_errors, save_tensors, write_json
from embedlab.models import attention_head
from embedlab.models.adapter import merged
from embedlab.models.backbone import Backbone
from embedlab.models.design import Design
from embedlab.models.pooling import POOLINGS, ExportedModule
from embedlab.models.run_folder import RunInfo
from embedlab.progress import Progress, no_progress

_MODULES = "sentence_transformers."


def export_sentence_transformers(
    backbone: Backbone,
    design: Design,
    run_info: RunInfo,
    out: Path,
    progress: Progress = no_progress,
) -> Path:
    """Write a trained backbone as a merged folder that ``SentenceTransformer(out)`` loads.

    EOS, the attention mode, the longest length and the prompts are baked in. Poolings that
    sentence-transformers does not know come as one module file, which the user has to trust.

    Raises:
        EmbedLabError: the folder exists, the disk is full, or the tokenizer cannot be exported.
    """
    backbone.check(design)
    with disk_errors(out.name), atomic_folder(out) as folder:
        progress(0, 3, "merging and writing the weights")
        pooling = POOLINGS[design.pooling].export(design, backbone)
        _save_model(backbone, design, pooling, folder)
        progress(1, 3, "writing the tokenizer")
        _save_tokenizer(backbone, folder)
        progress(2, 3, "writing the modules")
        own_code = _save_modules(pooling, design, folder)
        public = without_local_paths(run_info)
        card = model_card(public, "sentence-transformers", own_code=own_code)
        (folder / "README.md").write_text(card, encoding="utf-8")
        progress(3, 3, "exported")
    return out


def _save_model(backbone: Backbone, design: Design, pooling: ExportedModule, folder: Path) -> None:
    model = merged(backbone)
    model.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for name in ("_name_or_path", "_model_name_or_path"):
        config.pop(name, None)
    for part in (config, config.get("text_config")):
        if isinstance(part, dict):
            part["is_causal"] = design.attention == "causal"
    if pooling.settings.get("layers"):
        config["output_hidden_states"] = True
    write_json(folder / "config.json", config)


def _save_tokenizer(backbone: Backbone, folder: Path) -> None:
    """The tokenizer with EOS after every text, cut ones too, and without a chat template."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    old = backbone.tokenizer
    if not getattr(old, "is_fast", False):
        raise EmbedLabError(
            f"The tokenizer of {backbone.name} has no tokenizer.json, so it cannot be exported; "
            "take the adapter."
        )
    state = json.loads(old.backend_tokenizer.to_str())
    state |= {"post_processor": _with_eos(old), "truncation": None, "padding": None}
    special = {name: token for name, token in old.special_tokens_map.items() if token}
    new = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        model_max_length=backbone.max_length,
        padding_side="right",
        truncation_side="right",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        **{name: token for name, token in special.items() if isinstance(token, str)},
    )
    new.save_pretrained(folder)


def _with_eos(tokenizer: Any) -> dict[str, Any]:
    """A post-processor: what the tokenizer itself puts before a text, the text, and EOS."""
    eos = tokenizer.eos_token_id
    whole = tokenizer("a")["input_ids"]
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    ended = whole if whole[-1:] == [eos] else [*whole, eos]
    added = ended[: len(ended) - len(bare) - 1]
    if ended != [*added, *bare, eos]:
        raise EmbedLabError(
            "The tokenizer puts more than EOS behind a text, so it cannot be exported; take the "
            "adapter."
        )
    ids = [*added, eos]
    tokens = tokenizer.convert_ids_to_tokens(ids)

    def text(letter: str, type_id: int) -> list[dict[str, Any]]:
        special = [{"SpecialToken": {"id": t, "type_id": type_id}} for t in tokens]
        return [*special[:-1], {"Sequence": {"id": letter, "type_id": type_id}}, special[-1]]

    return {
        "type": "TemplateProcessing",
        "single": text("A", 0),
        "pair": [*text("A", 0), *text("B", 1)],
        "special_tokens": {
            t: {"id": t, "ids": [i], "tokens": [t]} for i, t in zip(ids, tokens, strict=True)
        },
    }


def _save_modules(pooling: ExportedModule, design: Design, folder: Path) -> bool:
    """The files that tell sentence-transformers what to do; whether one of them is code."""
    own_code = not pooling.kind.startswith(_MODULES)
    home = folder / f"1_{pooling.kind.rpartition('.')[2]}"
    parts = [
        ("", f"{_MODULES}base.modules.transformer.Transformer"),
        (home.name, pooling.kind),
        ("2_Normalize", f"{_MODULES}base.modules.normalize.Normalize"),
    ]
    modules = enumerate(parts)
    rows = [{"idx": i, "name": str(i), "path": path, "type": kind} for i, (path, kind) in modules]
    write_json(folder / "modules.json", rows)
    for module_folder, settings in ((home, pooling.settings), (folder / "2_Normalize", {})):
        module_folder.mkdir()
        write_json(module_folder / "config.json", settings)
    _save_settings(design, folder)
    if own_code:
        for name in ("export_pooling.py", "attention_head.py"):
            shutil.copyfile(Path(attention_head.__file__).with_name(name), folder / name)
    if pooling.weights:
        save_tensors(home / "model.safetensors", pooling.weights, {"format": "pt"})
    return own_code


def _save_settings(design: Design, folder: Path) -> None:
    """What is read of a pass, the prompts, and the versions this needs."""
    import torch
    import transformers

    layer = "last_hidden_state" if design.layer == -1 else ["hidden_states", design.layer]
    # Text alone: by itself the library would wrap every text in a chat template.
    text = {"method": "forward", "method_output_name": layer}
    body = {
        "transformer_task": "feature-extraction",
        "modality_config": {"text": text},
        "module_output_name": "token_embeddings",
        "unpad_inputs": False,
    }
    write_json(folder / "sentence_bert_config.json", body)
    whole = {
        "model_type": "SentenceTransformer",
        "__version__": {"transformers": transformers.__version__, "pytorch": torch.__version__},
        # The attention mode is in config.json, which earlier versions ignore.
        "requirements": {"transformers": ">=5.2"},
        "prompts": {"query": design.query_prompt, "document": design.document_prompt},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
    }
    write_json(folder / "config_sentence_transformers.json", whole)
