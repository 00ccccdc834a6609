"""What a step costs at full size, counted: these are bounds, as counts are not noise."""

from __future__ import annotations

import pytest

pytest.importorskip("triton")  # it comes with torch where there can be CUDA

from consumer.dev.bench.engine.counts import (
    COMPANIES,
    count_step,
    count_whole_step,
    full_forward,
    full_transformer,
)
from consumer.engine.runtime.forward.packed import PackedForward
from consumer.engine.runtime.forward.stock import StockForward
from consumer.engine.runtime.geometry import padded

pytestmark = pytest.mark.slow

KERNELS = 600
"""Most kernels that a step of any company may take at full size."""
GUIDED_BYTES = 16e9
"""Most bytes that a step of 512 x 512 with guidance may move outside of its matrix products, at full size in bf16."""


@pytest.fixture(scope="module")
def full_size() -> PackedForward:
    """The full model's forward pass with fused kernels, without weights: nothing runs."""
    return full_forward()


@pytest.fixture(scope="module")
def full_size_fp8() -> PackedForward:
    """The same with the large weights in fp8."""
    return full_forward(fp8=True)


@pytest.mark.parametrize("company", COMPANIES)
def test_a_step_takes_few_kernels(full_size: PackedForward, company: str) -> None:
    """At full size a steady step has at most `KERNELS`, whatever steps together, and asks the device nothing."""
    count = count_step(full_size, COMPANIES[company])
    assert sum(count.kernels.values()) <= KERNELS, count.kernels
    assert not {"_local_scalar_dense", "nonzero", "equal", "item"} & count.kernels.keys()
    assert (len(count.attended), count.masked) == (32, 0)


@pytest.mark.parametrize("pictures", [1, 8, 21])
def test_a_whole_step_takes_few_kernels(full_size: PackedForward, pictures: int) -> None:
    """Nor with guidance, schedulers and the focus of many pictures, and nothing of it asks the device either."""
    count = count_whole_step(full_size, pictures)
    assert sum(count.kernels.values()) <= KERNELS, count.kernels
    assert not {"_local_scalar_dense", "nonzero", "equal", "item"} & count.kernels.keys()


def test_the_forward_pass_takes_as_many_kernels_for_more_sequences(full_size: PackedForward) -> None:
    """Sixteen sequences are launched like two."""
    two, many = (
        count_step(full_size, COMPANIES[name]) for name in ("512x512 with guidance", "8 x 512x512 with guidance")
    )
    assert two.kernels == many.kernels


def test_quantising_keeps_the_bounds(full_size_fp8: PackedForward) -> None:
    """In fp8 the inputs of three products of each of the 30 main layers are quantised, in one kernel each."""
    for company in COMPANIES.values():
        count = count_step(full_size_fp8, company)
        assert (count.kernels["quantise_rows"], count.kernels["_scaled_mm"]) == (90, 90)
        assert sum(count.kernels.values()) <= KERNELS, count.kernels
    assert count_step(full_size_fp8, COMPANIES["512x512 with guidance"]).bytes <= GUIDED_BYTES
    assert sum(count_whole_step(full_size_fp8, 8).kernels.values()) <= KERNELS


def test_a_step_moves_few_bytes(full_size: PackedForward) -> None:
    """At full size 512 x 512 with guidance stays within its bound of traffic outside of products."""
    assert count_step(full_size, COMPANIES["512x512 with guidance"]).bytes <= GUIDED_BYTES


def test_no_token_is_padding_of_ours(full_size: PackedForward) -> None:
    """Attention sees just the tokens of a company's sequences, which the model itself fills up to 32."""
    company = COMPANIES["4 sizes with guidance"]
    tokens = sum(padded(rows * columns) + padded(text) for rows, columns, text in company)
    assert max(count_step(full_size, company).attended) == tokens


def test_counting_the_stock_forward_gives_what_is_known_of_it() -> None:
    """Of the forward pass of diffusers: 2 645 kernels, and a mask where prompts differ in length."""
    stock = StockForward(full_transformer())
    assert sum(count_step(stock, COMPANIES["512x512 with guidance"]).kernels.values()) == 2645
    assert count_step(stock, COMPANIES["512x512 with guidance, long prompt"]).masked == 32
