"""Servers that run an exported model: the command that gives this design, or why there is none.

vLLM, text-embeddings-inference and llama.cpp read the last layer alone, pool by the mean or the
last token, and put nothing behind it but a normalisation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from embedlab.models.attention import Attention
from embedlab.models.design import Design

#: What each pooling is called by a server: vLLM, text-embeddings-inference, llama.cpp.
_POOLINGS = {
    "eos": ("LAST", "last-token", "last"),
    "last": ("LAST", "last-token", "last"),
    "mean": ("MEAN", "mean", "mean"),
}
#: Architectures of decoders that text-embeddings-inference has, by transformers' model_type.
_TEI = {"mistral": "causal", "qwen2": "both", "qwen3": "causal"}


@dataclass(frozen=True)
class Server:
    """A server: its ``command``, or the ``reason`` why it cannot give the design.

    ``note`` says what else the user has to know.
    """

    name: str
    command: str = ""
    reason: str = ""
    note: str = ""


def obstacle(design: Design) -> str:
    """Why no server of the last layer gives a design, or nothing."""
    prompts = [each for query in (True, False) for each in design.templates(query=query)]
    if design.trainable:
        return f"{design.pooling} is a head with weights of its own"
    if design.pooling not in _POOLINGS:
        return f"it pools by {design.pooling}, not by the mean or the last token"
    if design.skip_first:
        return "its mean leaves the first token out"
    if design.layer != -1 or design.layers:
        return "it reads another layer than the last"
    if design.steps:
        return f"it has the steps {', '.join(f'+{step}' for step in design.steps)}"
    if not Attention.parse(design.mode).plain:
        return f"its attention is {design.attention}"
    if not all(each.is_prefix for each in prompts):
        return "its template stands around the text, and what is pooled depends on where it ends"
    return ""


def pooling_type(design: Design) -> str:
    """llama.cpp's word for a design's pooling: ``mean`` or ``last``."""
    return _POOLINGS[design.pooling][2]


def servers(design: Design, model_type: str, *, folder: str = "FOLDER") -> tuple[Server, ...]:
    """vLLM and text-embeddings-inference, for the sentence-transformers folder of a design.

    Args:
        design: what was exported.
        model_type: the backbone's, as transformers calls it.
        folder: how the folder is written in the commands.
    """
    names = ("vLLM", "text-embeddings-inference")
    if reason := obstacle(design):
        return tuple(
            Server(name, reason=f"{name} cannot give this design: {reason}.") for name in names
        )
    vllm, tei, _ = _POOLINGS[design.pooling]
    note = _prompt_note(design)
    causal = Attention.parse(design.mode).mode != "bidirectional"
    pooler = json.dumps({"pooling_type": vllm})
    flags = "" if causal else f" --hf-overrides '{json.dumps({'is_causal': False})}'"
    command = (
        f"vllm serve {folder} --runner pooling --convert embed --pooler-config '{pooler}'{flags}"
    )
    return (
        Server(names[0], command, note=note),
        _text_embeddings_inference(names[1], model_type, causal, tei, folder, note),
    )


def _text_embeddings_inference(
    name: str, model_type: str, causal: bool, pooling: str, folder: str, note: str
) -> Server:
    has = _TEI.get(model_type)
    if has is None:
        return Server(
            name, reason=f"{name} cannot run it: it has no {model_type} ({', '.join(_TEI)} it has)."
        )
    if not causal and has == "causal":
        return Server(
            name, reason=f"{name} cannot give this design: it runs {model_type} causally alone."
        )
    command = f"text-embeddings-router --model-id {folder} --pooling {pooling}"
    return Server(name, command, note=note)


def _prompt_note(design: Design) -> str:
    prompts = {
        "queries": design.templates(query=True)[0].parts[0],
        "documents": design.templates(query=False)[0].parts[0],
    }
    given = [
        f"{json.dumps(text, ensure_ascii=False)} before {who}"
        for who, text in prompts.items()
        if text
    ]
    return f"Write {' and '.join(given)} yourself." if given else ""
