"""The weights gate: what may be loaded, whether it fits, and loading it.

`folder` is the model's folder and `identity` its digest; `header`, `source` and `payload` read safetensors without
torch; `wanted` knows the model's tensors, `layout` and `lora` whose names mean what; `gate` judges and `report` tells.
Only `apply` needs torch.
"""

from consumer.engine.weights.folder import CARD, check_folder, unavailable
from consumer.engine.weights.gate import adapter_files, examine_custom_weights
from consumer.engine.weights.identity import identify_folder, identify_model

__all__ = [
    "CARD",
    "adapter_files",
    "check_folder",
    "examine_custom_weights",
    "identify_folder",
    "identify_model",
    "unavailable",
]
