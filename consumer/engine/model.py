"""Loading the Z-Image pipeline from a local folder: safetensors only, never from a hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import diffusers
import torch
import transformers

from consumer.engine.weights import check_folder, unavailable
from consumer.errors import Fatal
from schemas import Reason

if TYPE_CHECKING:
    from pathlib import Path


def load_pipeline(folder: Path, device: str = "auto", threads: int = 0) -> Any:
    """Return a ZImagePipeline on its device: bf16 on CUDA, fp32 elsewhere (fp16 overflows in this model).

    `threads` CPU threads, 0 for torch's own choice. Raises Fatal, with a sentence that names the folder or the setting.
    """
    check_folder(folder)
    target = _device(device)
    if threads:
        torch.set_num_threads(threads)
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    dtype = torch.bfloat16 if target.type == "cuda" else torch.float32
    try:
        pipeline = diffusers.ZImagePipeline.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True
        ).to(target)
    except Exception as error:
        raise unavailable(folder, f"could not be loaded ({type(error).__name__}: {error})") from error
    if not pipeline.tokenizer.chat_template:
        raise unavailable(folder, "has a tokenizer without a chat template")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise Fatal(Reason.MISCONFIGURED, f"LEADART_ENGINE__DEVICES={name} is no device torch knows.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise Fatal(
            Reason.MISCONFIGURED,
            f"LEADART_ENGINE__DEVICES={name}, but torch sees {torch.cuda.device_count()} CUDA devices.",
        )
    return device
