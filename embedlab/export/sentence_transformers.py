"""A trained model as a merged folder for sentence-transformers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embedlab.errors import EmbedLabError
from embedlab.export.model_card import model_card, without_local_paths
from embedlab.export.serving import servers
from embedlab.files import atomic_folder, disk_errors, save_tensors, write_json
from embedlab.models import attention_head
from embedlab.models.attention import Attention
from embedlab.models.backbone import Backbone
from embedlab.models.design import Design
from embedlab.models.forward import has_own_mask
from embedlab.models.framing import Framing
from embedlab.models.pooling import POOLINGS, ExportedModule
from embedlab.models.run_folder import RunInfo
from embedlab.models.steps import FittedSteps
from embedlab.models.template import Template
from embedlab.progress import Progress, no_progress

_MODULES = "sentence_transformers."


def export_sentence_transformers(
    backbone: Backbone,
    design: Design,
    run_info: RunInfo,
    out: Path,
    progress: Progress = no_progress,
    *,
    steps: FittedSteps | None = None,
) -> Path:
    """Write a trained backbone as a merged folder that ``SentenceTransformer(out)`` loads.

    It is merged and saved in float32, whatever the backbone runs in. The end token, the attention
    mode, the longest length, the prompts and the steps are baked in. What sentence-transformers
    does not know, poolings, templates and attention that differs from layer to layer, comes as
    module files, which the user has to trust. ``steps`` are the design's, where it has some.

    Raises:
        EmbedLabError: the folder exists, the disk is full, or the tokenizer cannot be exported.
    """
    backbone.check(design)
    if obstacle := tokenizer_obstacle(backbone):
        raise EmbedLabError(obstacle)
    with disk_errors(out.name), atomic_folder(out) as folder:
        progress(0, 3, "merging and writing the weights")
        whole = backbone.merged()
        pooling = POOLINGS[design.pooling].export(design, whole)
        _save_model(whole, design, pooling, folder)
        del whole  # as large as the backbone, or twice
        progress(1, 3, "writing the tokenizer")
        _save_tokenizer(backbone, design, folder)
        progress(2, 3, "writing the modules")
        native_head = backbone.native_head(design)
        width = backbone.vector_size(design)
        behind = [] if steps is None else steps.modules(width)
        read = [pooling, *(() if native_head is None else native_head.exported())]
        own_code = _save_modules(read, behind, backbone, design, folder)
        public = without_local_paths(run_info)
        known = servers(design, backbone.config.model_type, folder="PATH-OR-HUB-NAME")
        card = model_card(public, "sentence-transformers", own_code=own_code, servers=known)
        (folder / "README.md").write_text(card, encoding="utf-8")
        progress(3, 3, "exported")
    return out


def _save_model(backbone: Backbone, design: Design, pooling: ExportedModule, folder: Path) -> None:
    backbone.model.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for name in ("_name_or_path", "_model_name_or_path"):
        config.pop(name, None)
    for part in (config, config.get("text_config")):
        if isinstance(part, dict) and not has_own_mask(backbone.config):
            part["is_causal"] = Attention.parse(design.mode).mode != "bidirectional"
    if pooling.all_layers:
        config["output_hidden_states"] = True
    write_json(folder / "config.json", config)


def tokenizer_obstacle(backbone: Backbone) -> str:
    """Why a backbone's tokenizer cannot be exported, or nothing."""
    if not getattr(backbone.tokenizer, "is_fast", False):
        why = "has no tokenizer.json"
    elif not backbone.framing.known:
        why = "changes a text's tokens when it adds its own"
    else:
        return ""
    what = f"The tokenizer of {backbone.name} {why}"
    return f"{what}, so it cannot be exported; take the adapter instead."


def _save_tokenizer(backbone: Backbone, design: Design, folder: Path) -> None:
    """The tokenizer with the end behind every text, cut ones too, and without a chat template."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    old = backbone.tokenizer
    state = json.loads(old.backend_tokenizer.to_str())
    framed = _framed(old, backbone.framing, ended=design.ended)
    state |= {"post_processor": framed, "truncation": None, "padding": None}
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


def _framed(tokenizer: Any, framing: Framing, *, ended: bool) -> dict[str, Any]:
    """A post-processor: what the tokenizer itself puts before a text, the text, and its end."""
    before, behind = (
        tokenizer.convert_ids_to_tokens(list(ids))
        for ids in (framing.before, framing.behind(ended=ended))
    )

    def text(letter: str, type_id: int) -> list[dict[str, Any]]:
        first, last = (
            [{"SpecialToken": {"id": token, "type_id": type_id}} for token in tokens]
            for tokens in (before, behind)
        )
        return [*first, {"Sequence": {"id": letter, "type_id": type_id}}, *last]

    return {
        "type": "TemplateProcessing",
        "single": text("A", 0),
        "pair": [*text("A", 0), *text("B", 1)],
        "special_tokens": {
            token: {"id": token, "ids": [tokenizer.convert_tokens_to_ids(token)], "tokens": [token]}
            for token in dict.fromkeys([*before, *behind])
        },
    }


def _save_modules(
    read: Sequence[ExportedModule],
    steps: Sequence[ExportedModule],
    backbone: Backbone,
    design: Design,
    folder: Path,
) -> bool:
    """The files that tell sentence-transformers what to do; whether some of them are code.

    Args:
        read: the pooling, and what follows it in a native design.
        steps: the design's.
    """
    templates = {query: design.templates(query=query) for query in (True, False)}
    inside = not all(each.is_prefix for side in templates.values() for each in side)
    normalize = ExportedModule(kind=f"{_MODULES}base.modules.normalize.Normalize", settings={})
    chain = [*read, normalize]
    if max(map(len, templates.values())) > 1:
        mean = ExportedModule(kind="export_template.MeanOfTemplates", settings={})
        chain += [mean, normalize]
    for step in steps:
        chain += [step, normalize]
    attention = Attention.parse(design.mode)
    parts = [("", _body(attention, inside=inside))]
    for number, module in enumerate(chain, start=1):
        home = folder / f"{number}_{module.kind.rpartition('.')[2]}"
        home.mkdir()
        write_json(home / "config.json", module.settings)
        if module.weights:
            save_tensors(home / "model.safetensors", module.weights, {"format": "pt"})
        parts.append((home.name, module.kind))
    rows = [
        {"idx": i, "name": str(i), "path": path, "type": kind}
        for i, (path, kind) in enumerate(parts)
    ]
    write_json(folder / "modules.json", rows)
    # A name may stand for a prefix.
    prompts = {
        name: templates[query][0].parts[0] for name, query in (("query", True), ("document", False))
    }
    if inside:
        prompts = _save_templates(templates, backbone, design, folder)
    if not attention.plain:
        write_json(folder / "attention.json", attention.by_layer(backbone.num_layers))
    _save_settings(design, prompts, folder)
    kinds = {kind.partition(".")[0] for _, kind in parts}
    code = {
        "export_pooling": ["export_pooling.py", "attention_head.py"],
        "export_template": ["export_template.py"],
        "export_attention": ["export_attention.py", "export_template.py", "layer_attention.py"],
    }
    for name in (file for kind, files in code.items() if kind in kinds for file in files):
        shutil.copyfile(Path(attention_head.__file__).with_name(name), folder / name)
    return not kinds.isdisjoint(code)


def _body(attention: Attention, *, inside: bool) -> str:
    """The module around the backbone: the library's own where it can do what is asked."""
    if not attention.plain:
        return f"export_attention.Layerwise{'Template' * inside}Transformer"
    if inside:
        return "export_template.TemplateTransformer"
    return f"{_MODULES}base.modules.transformer.Transformer"


def _save_templates(
    templates: dict[bool, tuple[Template, ...]], backbone: Backbone, design: Design, folder: Path
) -> dict[str, str]:
    """The file that the template module reads; the prompts that name the sides."""
    everyone = [template for side in templates.values() for template in side]
    pooled = {design.pools_text(template) for template in everyone}
    ended = {template.eos for template in everyone}
    if len(pooled) > 1 or len(ended) > 1:
        raise EmbedLabError(
            f"The query and document templates of {design} end or are pooled in different ways, "
            "which an export does not carry; use templates of one kind."
        )
    prompts = {"query": "query: ", "document": "document: "}
    content = {
        "query": [list(template.parts) for template in templates[True]],
        "document": [list(template.parts) for template in templates[False]],
        "query_prompt": prompts["query"],
        "added": list(backbone.framing.behind(ended=design.ended)),
        "end": list(backbone.framing.end) if ended.pop() else [],
        "pool_text": pooled.pop(),
    }
    write_json(folder / "templates.json", content)
    return prompts


def _save_settings(design: Design, prompts: dict[str, str], folder: Path) -> None:
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
        "prompts": prompts,
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
    }
    write_json(folder / "config_sentence_transformers.json", whole)
