"""The report of `leadart bench engine`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.dev.bench.engine.bars import judge_bars
from consumer.dev.bench.engine.plan import EngineSide
from consumer.dev.bench.engine.result import MIXED_BAR
from consumer.dev.bench.reporting import BenchReport, markdown_table, met, spread

if TYPE_CHECKING:
    from consumer.dev.bench.engine.result import EngineResult, WorkloadResult
    from consumer.dev.bench.reporting import Rows

_HEAD = (
    "Pictures",
    "Batch",
    "Who",
    "s/picture, median",
    "fastest to slowest",
    "pictures/s",
    "GFLOP/s",
    "of peak",
    "peak GiB",
    "times stock",
)


def engine_report(result: EngineResult) -> BenchReport:
    """Return the report of a run."""
    rows, notes = _rows(result), _notes(result)
    return BenchReport(
        name="leadart bench engine",
        title="The denoiser beside the stock pipeline",
        verdict=_verdict(result),
        figures=result.as_json(),
        head=_HEAD,
        rows=rows,
        terminal=(_short(_HEAD), [_short(row) for row in rows]),
        notes=[": ".join(note) for note in notes],
        remarks=[_NO_GPU] if result.device.kind == "cpu" else [],
        sections=["## Beside the table", markdown_table(("", ""), notes)],
        machine=result.machine,
        explanation=_EXPLANATION,
    )


def _rows(result: EngineResult) -> Rows:
    """Return a row for each piece of work and contestant, in the order of `_HEAD`."""
    contests = [*result.contests, *([result.mixed] if result.mixed else [])]
    return [_row(result, contest, contestant) for contest in contests for contestant in contest.contestants]


def _verdict(result: EngineResult) -> str:
    if result.mixed is None:
        return "Mixed requests were left out."
    ratio = result.mixed.ratio(EngineSide.DENOISER)
    return (
        f"On {result.mixed.work.name} the denoiser is {ratio:.2f} times as fast as the stock pipeline, "
        f"one request at a time (bar {MIXED_BAR:g} for the tiny model on a CPU: {met(ratio >= MIXED_BAR)})."
    )


def _notes(result: EngineResult) -> list[tuple[str, str]]:
    """Return what else was measured: the device, its peak, the bars for a GPU where there is one, the compiler."""
    device = result.device
    told = [
        ("device", f"{device.kind}, {device.dtype}, {device.threads} CPU threads"),
        ("matrix peak", f"{device.matrix_peak / 1e12:.3g} TFLOP/s, a large product in {device.dtype}"),
        ("price of a call", f"as much as {result.call_tokens} tokens"),
        ("rounds", str(result.rounds)),
        *judge_bars(result),
    ]
    if result.compile_seconds is not None:
        cache = result.compile_cache or "a temporary folder"
        told.append(("compiled denoiser", f"{result.compile_seconds:.1f} s to its first calls; cache: {cache}"))
    return told


def _short(row: tuple[str, ...]) -> tuple[str, ...]:
    pictures, batch, who, seconds, _, each_second, _, share, _, times = row
    return pictures, batch, who, seconds.split(",")[0], each_second, share, times


def _row(result: EngineResult, contest: WorkloadResult, contestant: EngineSide) -> tuple[str, ...]:
    return (
        contest.work.name,
        str(contest.work.batch),
        contestant.value,
        f"{contest.seconds(contestant):.3f}",
        spread(contest.each(contestant), ".3f"),
        f"{1 / contest.seconds(contestant):.2f}",
        f"{contest.speed(contestant) / 1e9:,.1f}",
        f"{100 * result.share(contest, contestant):.1f} %",
        f"{contest.peak_bytes(contestant) / 2**30:.2f}",
        f"{contest.ratio(contestant):.2f}",
    )


_NO_GPU = """\
**No GPU was at hand for this run.** What follows is a tiny model with random weights on a CPU. It shows what the
denoiser saves on calls and padding; it says nothing about the speed of the full model. The bars of the full model on a
GPU (512x512, 12 steps, guidance: at most 0.80 s, compiled 0.60 s, at least 1.9 pictures/s at batch 4 to 8; 1024x1024,
8 steps, no guidance: at most 0.80 s) have not been measured."""

_EXPLANATION = """\
## What was done

Everybody paints the same pictures with the same weights in one process, in turns; who begins changes from round to
round, and a turn of two steps, which is not timed, comes before. A picture is named by width x height x steps x
guidance in Z-Image's sense, where 0 is none. Seconds run from the prompts to 8-bit pixels in the CPU's memory.

- **stock, one by one**: `ZImagePipeline` of diffusers as one writes it first, a call for each request.
- **stock, as a batch**: one call of the pipeline for all pictures, where all are alike.
- **denoiser**: leadart's, handed all pictures at once. It remembers no prompt from turn to turn.
- **denoiser, compiled**: the same with the transformer's blocks compiled, when `--compile` is given.

GFLOP/s count what the pictures need at least: torch's `FlopCounterMode` over one forward of each part, every prompt
read once and unpadded. Padding and second readings are time without operations, on either side. The share is of the
matrix product above, measured in the same run. Memory is `max_memory_allocated` on a GPU; on a CPU it is the most that
the whole process held.

The mixed requests are drawn once, by a fixed seed: sizes, 8 to 20 steps, guidance 0 to 5, English and Chinese prompts,
three negative prompts, one to three variants; the stock pipeline paints a request's variants in one call. The sizes for
the tiny model have sides of 64 to 160 pixels, those for the full model 480 to 1024. In the tiny model a call costs more
than such a picture's arithmetic, and that is what company saves. The larger the picture, the less there is to save: one
of 512x512 keeps a core of a CPU busy by itself.

## Run it

```sh
leadart bench engine --random tiny --threads 1 --write
leadart bench engine --random full --compile --device cuda:0 --write
leadart bench engine --model FOLDER --compile --write
```
"""
