"""What may be loaded and whether it fits, decided from the files alone: nothing here imports torch.

`components` checks the model's folder, `identity` hashes it; `header`, `source` and `payload` read safetensors;
`shapes` lists the tensors of the model, `layout` and `lora` translate other tools' names to the model's; `gate` and
`adapter_gate` decide, `report` describes the decision. `consumer.engine.runtime.custom_weights` does the loading.
"""

from consumer.engine.weights.components import check_folder
from consumer.engine.weights.folder import CARD, unavailable
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
