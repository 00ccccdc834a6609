"""Settings of what pictures and events say about being AI-made."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

DEFAULT_PRODUCER = "leadart"
"""Producer of pictures in files of a site that names none."""

_Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class DisclosureSettings(BaseModel):
    """Disclosure."""

    producer: _Line = Field(
        DEFAULT_PRODUCER,
        description="Who produces the pictures, in the marks of every file (China's AIGC label: ContentProducer and "
        "ContentPropagator): your site's name, or its registered code.",
    )
    credit_line: _Line = Field(
        "AI-generated image", description="Credit line that ready events ask to be shown with the pictures."
    )
