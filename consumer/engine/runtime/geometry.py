"""Sizes in pixels, latents and tokens."""

from dataclasses import dataclass

SEQUENCE_MULTIPLE = 32
"""The transformer pads pictures and prompts to multiples of this many tokens, and attends to the padding."""


def padded(tokens: int) -> int:
    """Return the number of tokens after the transformer's own padding."""
    return -(-tokens // SEQUENCE_MULTIPLE) * SEQUENCE_MULTIPLE


@dataclass(frozen=True, slots=True)
class LatentGeometry:
    """A model's scale: pixels per side of a latent, and latents per side of a token."""

    pixels: int
    patch: int

    def latents(self, width: int, height: int) -> tuple[int, int]:
        """Return rows and columns of the latents of a picture, given its size in pixels."""
        return height // self.pixels, width // self.pixels

    def tokens(self, width: int, height: int) -> tuple[int, int]:
        """Return rows and columns of the tokens of a picture, given its size in pixels."""
        rows, columns = self.latents(width, height)
        return rows // self.patch, columns // self.patch
