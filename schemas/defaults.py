"""What a picture is made with where neither the request nor its style says: the engine's defaults."""

from typing import Final

NEGATIVE_PROMPT: Final = "nsfw, low quality, text, watermark"
STEPS: Final = 12
GUIDANCE_SCALE: Final = 2.0
WIDTH: Final = 512
HEIGHT: Final = 512
