"""A folder that is an embedding model already: the design of its own files, called native.

sentence-transformers describes a model in ``modules.json`` (the transformer, a pooling, and what
follows), a folder for each module, and ``config_sentence_transformers.json`` (prompts). Whether
attention looks both ways stands in the transformer's ``config.json``. Where these files ask for
something that EmbedLab does not have, there is no native design, and the reason is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError
from safetensors import SafetensorError
from torch import nn

from embedlab.models.design import Design
from embedlab.models.forward import is_bidirectional
from embedlab.models.native_head import Dense, NativeHead, UnitLength

#: Finds a file of a model by its name; None where it has none of that name.
Find = Callable[[str], Path | None]
File = TypeVar("File", bound=BaseModel)

MODULES_FILE = "modules.json"
#: Where old folders keep the transformer.
OLD_TRANSFORMER = "0_Transformer"
#: sentence-transformers' poolings by ours. The square root of a length is no matter of direction.
_POOLINGS = {
    "lasttoken": "eos",
    "mean": "mean",
    "mean_sqrt_len_tokens": "mean",
    "weightedmean": "weighted_mean",
}
#: The keys of older pooling files.
_OLD_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
#: Options of the transformer's file that change no vector.
_HARMLESS = {"attn_implementation", "dtype", "torch_dtype", "padding_side", "use_cache"}


class NotCovered(Exception):
    """Something in the files that EmbedLab does not have; the text says what."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NativeDesign:
    """How a model embeds by its own files.

    ``head`` is what follows the pooling, such as dense layers, or None. ``max_length`` is the
    longest text in tokens by the files, where they say it. ``prompts`` are all that they name.
    ``ended`` says whether the tokenizer ends texts: without, the last token is the text's own.
    """

    design: Design
    ended: bool = True
    head: NativeHead | None = None
    max_length: int | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Identifies what a vector depends on beside the transformer."""
        return "native" if self.head is None else self.head.digest

    @property
    def words(self) -> str:
        """``bidirectional/mean, prompt 'query: '``."""
        parts = [replace(self.design, native=False).name]
        if not self.ended:
            parts[0] += " without an end token"
        if self.head is not None and self.head.output_size is not None:
            parts.append(f"dense layers to {self.head.output_size:,} dimensions")
        query, document = self.design.query_prompt, self.design.document_prompt
        if query == document:
            parts += [f"prompt {query!r}"] if query else []
        else:
            given = (("query", query), ("document", document))
            parts += [f"{name} prompt {prompt!r}" for name, prompt in given if prompt]
        return ", ".join(parts)


class Described(NamedTuple):
    """The native design of a model's files, or what of them EmbedLab does not have.

    Both are empty where the files describe no embedding model.
    """

    native: NativeDesign | None = None
    not_covered: str = ""


class _File(BaseModel):
    """A file of sentence-transformers; it has more keys than those read here."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Module(_File):
    path: str = ""
    type: str


class _Modules(RootModel[tuple[_Module, ...]]):
    pass


class _Settings(_File):
    prompts: dict[str, str | None] = {}
    default_prompt_name: str | None = None


class _Transformer(_File):
    """``sentence_bert_config.json``: how the transformer is called."""

    max_seq_length: int | None = Field(default=None, ge=1)
    do_lower_case: bool = False
    transformer_task: str = "feature-extraction"
    modality_config: dict[str, dict[str, Any]] = {}
    query_length: int | None = None
    document_length: int | None = None
    processing_kwargs: dict[str, Any] = {}
    model_args: dict[str, Any] = {}
    model_kwargs: dict[str, Any] = {}
    tokenizer_args: dict[str, Any] = {}
    processor_kwargs: dict[str, Any] = {}
    config_args: dict[str, Any] = {}
    config_kwargs: dict[str, Any] = {}


class _Pooling(_File):
    pooling_mode: str | tuple[str, ...] | None = None
    include_prompt: bool = True


class _Dense(_File):
    in_features: int = Field(ge=1)
    out_features: int = Field(ge=1)
    bias: bool = True
    activation_function: str = "torch.nn.modules.activation.Tanh"
    module_input_name: str = "sentence_embedding"
    module_output_name: str | None = None
    use_residual: bool = False


def transformer_folder(find: Find) -> str:
    """Where the transformer is in a model's folder: in itself (``""``), or in a folder of it."""
    if find("config.json"):
        return ""
    try:
        first = _read(_Modules, find, MODULES_FILE).root[:1]
    except NotCovered:
        first = ()
    places = [module.path for module in first if ".." not in Path(module.path).parts]
    return next(
        (place for place in [*places, OLD_TRANSFORMER] if place and find(f"{place}/config.json")),
        "",
    )


def describe(find: Find, config: Any) -> Described:
    """Read the native design of a model.

    Args:
        find: of the model's files.
        config: of its transformer.
    """
    if find(MODULES_FILE) is None and find("1_Pooling/config.json") is None:
        return Described()
    try:
        return Described(_native(find, config.get_text_config()))
    except NotCovered as reason:
        return Described(not_covered=str(reason))


def _native(find: Find, config: Any) -> NativeDesign:
    transformer, pooling, *others = _modules(find)
    called = _transformer(find, transformer.path)
    modes = _pooling_modes(find, pooling.path)
    attention = "causal"
    if is_bidirectional(config) or getattr(config, "is_causal", True) is False:
        attention = "bidirectional"
    query, document, prompts = _prompts(find)
    if modes != ("lasttoken",) and (query or document) and not _includes_prompt(find, pooling.path):
        raise NotCovered(f"the prompt's tokens are left out of the pooling ({pooling.path})")
    design = Design(
        attention=attention,
        pooling=_POOLINGS[modes[0]],
        layer=_layer(called),
        native=True,
        query_prompt=query,
        document_prompt=document,
    )
    head = _head(find, others, int(config.hidden_size))
    if head is not None and modes == ("mean_sqrt_len_tokens",):
        raise NotCovered("its pooling divides by the root of the length, before dense layers")
    return NativeDesign(design=design, head=head, max_length=called.max_seq_length, prompts=prompts)


def _modules(find: Find) -> tuple[_Module, ...]:
    """The transformer, the pooling, and what follows."""
    modules: tuple[_Module, ...] = ()
    if find(MODULES_FILE) is not None:
        modules = _read(_Modules, find, MODULES_FILE).root
    if not modules and find("1_Pooling/config.json"):
        home = transformer_folder(find)
        modules = (
            _Module(path=home, type="sentence_transformers.Transformer"),
            _Module(path="1_Pooling", type="sentence_transformers.Pooling"),
        )
    for module in modules:
        if not module.type.startswith("sentence_transformers."):
            raise NotCovered(
                f"its module {module.type!r} is code of its own, which is not run here"
            )
        if ".." in Path(module.path).parts or Path(module.path).is_absolute():
            raise NotCovered(
                f"{MODULES_FILE} names the folder {module.path!r} outside of the model"
            )
    kinds = [_kind(module) for module in modules]
    if kinds[:2] != ["Transformer", "Pooling"]:
        named = ", ".join(kinds) or "no module"
        raise NotCovered(
            f"{MODULES_FILE} names {named}; a transformer and a pooling have to come first"
        )
    return modules


def _kind(module: _Module) -> str:
    return module.type.rpartition(".")[2]


def _transformer(find: Find, path: str) -> _Transformer:
    """How the transformer is called, as long as it is called with the text alone."""
    names = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
    files = [_within(path, f"sentence_{name}_config.json") for name in names]
    present = next((file for file in files if find(file)), None)
    if present is None:
        return _Transformer()
    called = _read(_Transformer, find, present)
    options = (
        called.model_args | called.model_kwargs | called.tokenizer_args | called.processor_kwargs
    ) | (called.config_args | called.config_kwargs)
    unknown = sorted(set(options) - _HARMLESS)
    reasons = {
        "texts are lower-cased": called.do_lower_case,
        f"its task is {called.transformer_task!r}": called.transformer_task != "feature-extraction",
        "texts are wrapped in a chat template": "message" in called.modality_config,
        "queries and documents have different longest lengths": (
            called.query_length or called.document_length
        ),
        f"it is loaded with the options {', '.join(unknown)}": unknown,
        "it has settings for the tokenizer's calls": called.processing_kwargs,
    }
    for reason, holds in reasons.items():
        if holds:
            raise NotCovered(f"{reason} ({present})")
    return called


def _layer(called: _Transformer) -> int:
    """The layer that is pooled: the last, or one of the hidden states."""
    output = called.modality_config.get("text", {}).get("method_output_name", "last_hidden_state")
    match [output] if isinstance(output, str) else output:
        case ["last_hidden_state"]:
            return -1
        case ["hidden_states", int(layer)]:
            return layer
    raise NotCovered(f"it reads {output!r} of the transformer")


def _pooling_modes(find: Find, path: str) -> tuple[str, ...]:
    content = _json(find, _within(path, "config.json"))
    modes = _checked(_Pooling, content, path).pooling_mode
    if modes is None:
        modes = tuple(mode for key, mode in _OLD_MODES.items() if content.get(key))
    modes = (modes,) if isinstance(modes, str) else modes or ("mean",)
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise NotCovered(f"its pooling is {' and '.join(modes)} ({path})")
    return modes


def _includes_prompt(find: Find, path: str) -> bool:
    return _read(_Pooling, find, _within(path, "config.json")).include_prompt


def _prompts(find: Find) -> tuple[str, str, dict[str, str]]:
    """The prompt of queries, that of documents, and all by name.

    As sentence-transformers has it: a query gets the prompt ``query``, a document the prompt
    ``document``; where that is empty, what ``encode`` puts before every text by default. (The
    library writes an empty prompt of either name into every folder that has none.)
    """
    name = "config_sentence_transformers.json"
    settings = _read(_Settings, find, name) if find(name) else _Settings()
    prompts = {key: prompt or "" for key, prompt in settings.prompts.items()}
    default = prompts.get(settings.default_prompt_name or "", "")
    return prompts.get("query") or default, prompts.get("document") or default, prompts


def _head(find: Find, modules: Sequence[_Module], size: int) -> NativeHead | None:
    """What follows the pooling; nothing where that is no more than normalising the vector."""
    steps: list[nn.Module] = []
    for module in modules:
        kind = _kind(module)
        if kind == "Dense":
            dense = _dense(find, module.path, size)
            steps.append(dense)
            size = dense.out_features
        elif kind == "Normalize":
            steps.append(UnitLength())
        elif kind != "Dropout":  # which does nothing outside of a training
            raise NotCovered(f"its module {kind!r} ({module.path})")
    while steps and isinstance(steps[-1], UnitLength):
        steps.pop()  # every vector is normalised at the end
    return NativeHead(steps) if steps else None


def _dense(find: Find, path: str, size: int) -> Dense:
    settings = _read(_Dense, find, _within(path, "config.json"))
    names = {settings.module_input_name, settings.module_output_name or "sentence_embedding"}
    if names != {"sentence_embedding"}:
        raise NotCovered(f"{path} changes the tokens' vectors")
    file = find(_within(path, "model.safetensors"))
    if file is None:
        raise NotCovered(f"{path} has no model.safetensors; pickled weights are not read")
    if settings.in_features != size:
        raise NotCovered(f"{path} takes {settings.in_features:,} dimensions and gets {size:,}")
    try:
        dense = Dense(
            settings.in_features,
            settings.out_features,
            bias=settings.bias,
            activation=settings.activation_function,
            residual=settings.use_residual,
        )
        dense.load(file)
    except LookupError as error:
        raise NotCovered(f"{path} has the activation {settings.activation_function!r}") from error
    except (OSError, RuntimeError, SafetensorError) as error:
        raise NotCovered(f"the weights of {path} are damaged or do not fit its config") from error
    return dense


def _within(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _read(kind: type[File], find: Find, name: str) -> File:
    return _checked(kind, _json(find, name), name)


def _checked(kind: type[File], content: Any, name: str) -> File:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise NotCovered(f"{name} is damaged at {where!r}") from error


def _json(find: Find, name: str) -> Any:
    file = find(name)
    if file is None:
        raise NotCovered(f"there is no {name}")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise NotCovered(f"{name} is damaged") from error
