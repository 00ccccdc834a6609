"""What a prompt and a size contribute to every step of a picture, computed once."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Conditioning:
    """One sequence's constant part: its refined caption, the angles of all its tokens, and its size.

    A sequence is the picture's tokens, padding to a multiple of 32, and the caption with its padding: the model attends
    to both, so they are no padding of ours. `cos` and `sin` are tokens x channels/2 of a head, fp32.
    """

    caption: torch.Tensor
    cos: torch.Tensor
    sin: torch.Tensor
    rows: int
    columns: int
    padding: int

    @property
    def picture_tokens(self) -> int:
        """Tokens of the picture, without padding."""
        return self.rows * self.columns

    @property
    def picture_length(self) -> int:
        """Tokens of the picture and its padding."""
        return self.picture_tokens + self.padding

    @property
    def length(self) -> int:
        """Tokens of the whole sequence."""
        return self.picture_length + len(self.caption)


def positions(caption: int, rows: int, columns: int, padding: int, device: torch.device) -> torch.Tensor:
    """Return the positions (text, row, column) of a sequence's tokens: picture, its padding, padded caption.

    Captions count from 1; the picture follows them at its rows and columns; its padding is at the origin. Source: the
    reference implementation of Z-Image in diffusers.
    """

    def axis(size: int) -> torch.Tensor:
        return torch.arange(size, dtype=torch.int32, device=device)

    down, across = torch.meshgrid(axis(rows), axis(columns), indexing="ij")
    picture = torch.stack((torch.full_like(down, caption + 1), down, across), -1).reshape(-1, 3)
    text = torch.zeros(caption, 3, dtype=torch.int32, device=device)
    text[:, 0] = axis(caption) + 1
    return torch.cat((picture, picture.new_zeros(padding, 3), text))
