from __future__ import annotations

import pytest
import torch

from consumer.engine.runtime.forward import attention
from consumer.engine.runtime.forward.attention import Segments, attend

LENGTHS = (3, 1, 4)


def drawn(dtype: torch.dtype, device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return query, key and value of all sequences: tokens x 2 heads x 8 channels."""
    random = torch.Generator().manual_seed(1)
    query, key, value = torch.randn(3, sum(LENGTHS), 2, 8, generator=random).to(device, dtype)
    return query, key, value


def test_a_token_attends_to_its_own_sequence() -> None:
    """Each sequence's part of the result is what it would be alone."""
    whole = attend(*drawn(torch.float32), Segments.of(LENGTHS, torch.device("cpu")))
    parts = zip(*(tensor.split(list(LENGTHS)) for tensor in (*drawn(torch.float32), whole)), strict=True)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    for q, k, v, found in parts:
        alone = attend(q, k, v, Segments.of([len(q)], torch.device("cpu")))
        assert torch.allclose(found, alone, atol=1e-6)


@pytest.mark.parametrize(
    ("device", "dtype", "at_once"),
    [
        ("meta", torch.bfloat16, True),
        ("meta", torch.float16, True),
        ("meta", torch.float32, False),
        ("cpu", torch.bfloat16, False),
    ],
)
def test_one_kernel_where_torch_has_one(
    device: str,
    dtype: torch.dtype,
    at_once: bool,  # noqa: FBT001 - a parameter of the test
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In half precision on CUDA, for which the meta device stands; elsewhere one sequence after the other."""
    called: list[int] = []

    def varlen(query: torch.Tensor, *_others: object) -> torch.Tensor:
        called.append(len(query))
        return query

    monkeypatch.setattr(attention, "varlen_attn", varlen)
    attend(*drawn(dtype, device), Segments.of(LENGTHS, torch.device(device)))
    assert called == [sum(LENGTHS)] * at_once
