"""The document written from a measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from consumer.dev.bench.reporting import markdown_table, origin, where
from tests.equality.shortage import ALIKE_DB

_INTRODUCTION = """\
# Equal to the library, also when memory runs out

{origin}

The corpus of `tests/support/denoising.py` on the tiny model with random weights: {corpus} pictures of four sizes, 1
to 6 steps, guidance 0, 2 and 5, negative prompts, nine variants, two languages, one prompt that is cut. Each is
compared with what `ZImagePipeline` paints alone from the same recipe. The same corpus is a test
(`tests/unit/engine/runtime/test_denoiser_equality.py`), and one on a GPU (`tests/gpu/test_cuda.py`); this
measurement had no GPU.

## Latents, fp32

Distance of the final latents, whose values are of the order of 1, from the library's. A change of batch is a step with
other pictures than the step before.
"""

_PICTURES = """\

## Pictures

All at once, as usual; the model in fp32, then in bf16, each compared with the stock pipeline in the same precision.
"""

_SHORTAGE = """\

## Memory runs out

Three different pictures are painted, and one operation in the session fails with `torch.OutOfMemoryError`: every
{every} of them in turn. Unharmed means that all three pictures arrived once, with each step reported once, and equal
the undisturbed ones to {db:g} dB (a decode in tiles blends its seams).
"""


def document(
    machine: Mapping[str, str],
    latents: Sequence[tuple[str, ...]],
    pictures: Sequence[tuple[str, ...]],
    shortage: Sequence[tuple[str, ...]],
    every: int,
) -> str:
    """Return the whole document."""
    ordinal = "one" if every == 1 else f"{every}th"
    parts = [
        _INTRODUCTION.format(origin=origin("make equality"), corpus=latents[0][1]),
        markdown_table(("Painted", "Pictures", "Changes of batch", "Largest difference", "Median"), latents),
        _PICTURES,
        markdown_table(
            ("Precision", "Largest difference, levels of 255", "Least PSNR, dB", "Median PSNR, dB"), pictures
        ),
        _SHORTAGE.format(every=ordinal, db=ALIKE_DB),
        markdown_table(("Where", "Shortages", "Unharmed", "Harmed"), shortage),
        "",
        where({name: machine[name] for name in ("processor", "system", "python")}),
    ]
    return "\n".join(parts) + "\n"
