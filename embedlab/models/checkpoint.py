"""Is a model really in its files: all of its weights, and a tokenizer that tells words apart?

transformers fills every gap: a parameter that the files lack is drawn at random, and a tokenizer
that is not there is built empty. Vectors then look plausible and mean nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from embedlab.errors import EmbedLabError

#: Parts of a model that hidden states do not pass through: they may be missing.
_OTHER_TASKS = ("lm_head", "score", "classifier", "pooler", "qa_outputs", "cls", "embed_out")
#: Buffers that some files hold and newer code computes.
_COMPUTED = re.compile(r"\.(inv_freq|masked_bias|position_ids|bias_mask)$|\.attn\.bias$")
_LAYER = re.compile(r"^(?P<layers>(?:.*\.)?)(?P<number>\d+)\.")
#: The head that the paper's authors save with an adapter.
AUTHORS_HEAD = "attn_pool.pt"
#: A tokenizer that knows fewer tokens, special ones not counted, knows no language.
FEWEST_TOKENS = 10
#: Words of different first letters, lengths and scripts.
_WORDS = ("river", "money", "The", "42", "a", "東京", "мир")
#: Keys that are named in a message.
_NAMED = 3


def check_weights(model: Any, info: Mapping[str, Any], name: str) -> str:
    """Refuse a model of which a part is not in its files.

    Args:
        info: what ``from_pretrained(..., output_loading_info=True)`` gives.

    Returns:
        A remark on weights that are in the files and not in the model, or nothing.

    Raises:
        EmbedLabError: parameters are missing or of another size, or the files hold more for layers
            that the model has; it names the first of them.
    """
    mismatched = sorted(str(key[0]) for key in info["mismatched_keys"])
    missing = sorted(key for key in info["missing_keys"] if not _of_another_task(key))
    unexpected = sorted(key for key in info["unexpected_keys"] if not _COMPUTED.search(key))
    if missing:
        prefix = _common_prefix(missing, unexpected)
        why = (
            f"Every key in its files begins with {prefix!r}, which a wrapper of the training left "
            "there: save the model without the wrapper, or rename the keys."
            if prefix
            else "Copy all of its files again, or save the whole model."
        )
        raise EmbedLabError(
            f"{name} cannot be used: {len(missing):,} of its weights are not in its files "
            f"({_first(missing)}) and would be random. {why}"
        )
    if mismatched or info["error_msgs"]:
        raise EmbedLabError(
            f"{name} cannot be used: weights in its files have other sizes than config.json says "
            f"({_first(mismatched) or str(info['error_msgs'][0])[:100]}). Use the config.json that "
            "was saved with the weights."
        )
    return _unused(model, unexpected, name)


def _unused(model: Any, unexpected: Sequence[str], name: str) -> str:
    layers = {match["layers"] for key in model.state_dict() if (match := _LAYER.match(key))}
    known = {match[0] for key in model.state_dict() if (match := _LAYER.match(key))}
    extra, more = [], set()
    for key in unexpected:
        # Some files have the keys of the model with its language-model head.
        inner = key.removeprefix(f"{model.base_model_prefix}.")
        match = _LAYER.match(inner)
        if match and match[0] in known:
            extra.append(key)
        elif match and match["layers"] in layers:
            more.add(match[0])
    if extra:
        adapter = any("lora_" in key for key in extra)
        advice = (
            "They are an adapter's: merge it into the model (peft: merge_and_unload) and save that."
            if adapter
            else "config.json is of another model; use the one that was saved with the weights."
        )
        raise EmbedLabError(
            f"{name} cannot be used: its files hold {len(extra):,} weights that "
            f"{type(model).__name__} has no place for ({_first(extra)}). {advice}"
        )
    return f"{len(more)} more layers in the files than config.json has" if more else ""


def _of_another_task(key: str) -> bool:
    return key.split(".")[0] in _OTHER_TASKS


def _first(keys: Sequence[str]) -> str:
    return ", ".join(keys[:_NAMED]) + (", …" if len(keys) > _NAMED else "")


def _common_prefix(missing: Sequence[str], unexpected: Collection[str]) -> str:
    """What stands before every missing key in the files, or nothing."""
    held = set(unexpected)
    first = missing[0]
    prefixes = [key.removesuffix(first) for key in unexpected if key.endswith(f".{first}")]
    whole = (p for p in prefixes if all(p + key in held for key in missing))
    return min(whole, key=len, default="")


def refuse_adapter(folder: Path) -> None:
    """Refuse a folder that holds an adapter: transformers would look for its base elsewhere.

    Raises:
        EmbedLabError: it holds one.
    """
    path = folder / "adapter_config.json"
    if not path.is_file():
        return
    try:
        base = json.loads(path.read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, LookupError, TypeError):
        base = None
    of = f" of {str(base)[-80:]!r}" if base else ""
    if (folder / AUTHORS_HEAD).is_file():
        raise EmbedLabError(
            f"The folder {folder.name!r} holds a LoRA adapter{of} with the head of the paper's "
            "authors: make it a model with `embedlab import`."
        )
    raise EmbedLabError(
        f"The folder {folder.name!r} holds a LoRA adapter{of} and not a model of its own: merge "
        "the adapter into its base (peft: merge_and_unload) and save that, tokenizer included."
    )


def check_tokenizer(tokenizer: Any, name: str, folder: Path | None) -> None:
    """Refuse a tokenizer that cannot tell words apart.

    Args:
        folder: where its files should be; None for a model of the Hub.

    Raises:
        EmbedLabError: it is empty, or gives different words the same ids; it names the files that
            are missing.
    """
    added = set(tokenizer.get_added_vocab())
    own = [token for token in tokenizer.get_vocab() if token not in added]
    if len(own) < FEWEST_TOKENS:
        raise EmbedLabError(
            f"{name} cannot be used: its tokenizer knows {len(own)} tokens beside special ones, so "
            f"every text would be the same. {_missing_files(tokenizer, folder)}"
        )
    # A vocabulary need not hold these words; then some of its own tokens are told apart.
    if _tells_apart(tokenizer, _WORDS):
        return
    step = max(1, len(own) // 50)
    sample = (tokenizer.convert_tokens_to_string([token]).strip() for token in sorted(own)[::step])
    if _tells_apart(tokenizer, [word for word in dict.fromkeys(sample) if word]):
        return
    raise EmbedLabError(
        f"{name} cannot be used: its tokenizer gives different words the same ids "
        f"({_WORDS[0]!r} and {_WORDS[1]!r}). {_missing_files(tokenizer, folder)}"
    )


def _tells_apart(tokenizer: Any, words: Sequence[str]) -> bool:
    ids = tokenizer(list(words), add_special_tokens=False, verbose=False)["input_ids"]
    return len({tuple(row) for row in ids}) > 1


def _missing_files(tokenizer: Any, folder: Path | None) -> str:
    if folder is None:
        return "Its repository lacks files of the tokenizer; choose a complete one."
    names = dict.fromkeys(["tokenizer.json", *tokenizer.vocab_files_names.values()])
    missing = [name for name in names if not (folder / name).is_file()]
    if not missing:
        return "Its files are of another model or damaged; copy them from the model again."
    return (
        f"The folder {folder.name!r} has no {' and no '.join(missing)}; copy the tokenizer's files "
        "from the model that the weights came from."
    )
