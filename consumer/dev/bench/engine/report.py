"""The report of `leadart bench engine`."""

from dataclasses import dataclass

from consumer.dev.bench.engine.plan import EngineSide, PictureShape
from consumer.dev.bench.engine.result import MIXED_BAR, EngineResult, WorkloadResult
from consumer.dev.bench.reporting import BenchReport, Rows, markdown_table, met, spread

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
        sections=["## Also measured", markdown_table(("", ""), notes)],
        machine=result.machine,
        explanation=_EXPLANATION,
    )


def _rows(result: EngineResult) -> Rows:
    """Return a row for each piece of work and side, in the order of `_HEAD`."""
    contests = [*result.contests, *([result.mixed] if result.mixed else [])]
    return [_row(result, contest, side) for contest in contests for side in contest.sides]


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
    notes = [
        ("device", f"{device.kind}, {device.dtype}, {device.threads} CPU threads"),
        ("matrix peak", f"{device.matrix_peak / 1e12:.3g} TFLOP/s, a large product in {device.dtype}"),
        ("cost of a token", f"{result.token_seconds * 1e6:.3g} µs in a call of four pictures"),
        ("rounds", str(result.rounds)),
        *judge_bars(result),
    ]
    if result.compile_seconds is not None:
        cache = result.compile_cache or "a temporary folder"
        notes.append(("compiled denoiser", f"{result.compile_seconds:.1f} s to its first calls; cache: {cache}"))
    return notes


def _short(row: tuple[str, ...]) -> tuple[str, ...]:
    pictures, batch, who, seconds, _, each_second, _, share, _, times = row
    return pictures, batch, who, seconds.split(",")[0], each_second, share, times


def _row(result: EngineResult, contest: WorkloadResult, side: EngineSide) -> tuple[str, ...]:
    return (
        contest.work.name,
        str(contest.work.batch),
        side.value,
        f"{contest.seconds(side):.3f}",
        spread(contest.each(side), ".3f"),
        f"{1 / contest.seconds(side):.2f}",
        f"{contest.speed(side) / 1e9:,.1f}",
        f"{100 * result.share(contest, side):.1f} %",
        f"{contest.peak_bytes(side) / 2**30:.2f}",
        f"{contest.ratio(side):.2f}",
    )


_PORTRAIT = PictureShape(512, 512, 12, 2.0)
_LARGE = PictureShape(1024, 1024, 8, 0.0)


@dataclass(frozen=True, slots=True)
class EngineBar:
    """At most `seconds` per picture, in the best of these batches, for a shape and a side."""

    shape: PictureShape
    batches: tuple[int, ...]
    side: EngineSide
    seconds: float

    @property
    def words(self) -> str:
        """The bar in words."""
        batch = " or ".join(str(batch) for batch in self.batches)
        limit = f"at least {1 / self.seconds:g} pictures/s" if len(self.batches) > 1 else f"at most {self.seconds:g} s"
        return f"{self.shape}, batch {batch}, {self.side}: {limit}"

    def measured(self, result: EngineResult) -> float | None:
        """Return the measured seconds per picture; None if it was not measured."""
        times = [
            contest.seconds(self.side)
            for contest in result.contests
            if contest.work.name == str(self.shape)
            and contest.work.batch in self.batches
            and self.side in contest.sides
        ]
        return min(times, default=None)


ENGINE_BARS = (
    EngineBar(_PORTRAIT, (1,), EngineSide.DENOISER, 0.80),
    EngineBar(_PORTRAIT, (1,), EngineSide.COMPILED, 0.60),
    EngineBar(_PORTRAIT, (4, 8), EngineSide.DENOISER, 1 / 1.9),
    EngineBar(_LARGE, (1,), EngineSide.DENOISER, 0.80),
)


def judge_bars(result: EngineResult) -> list[tuple[str, str]]:
    """Return each bar with `met` or `missed` and its measurement; none for another model or without a GPU."""
    if result.device.kind == "cpu" or not result.device.full_size:
        return []
    verdicts = []
    for bar in ENGINE_BARS:
        seconds = bar.measured(result)
        if seconds is not None:
            met = "met" if seconds <= bar.seconds else "missed"
            verdicts.append((bar.words, f"{met}: {seconds:.3f} s, {1 / seconds:.2f} pictures/s"))
    return verdicts


_NO_GPU = """\
**No GPU was available for this run.** These are figures of a tiny model with random weights on a CPU. They show what
the denoiser saves in calls and padding, and say nothing about the speed of the full model. The bars of the full model
on a GPU (512x512, 12 steps, guidance: at most 0.80 s, compiled 0.60 s, at least 1.9 pictures/s at batch 4 to 8;
1024x1024, 8 steps, no guidance: at most 0.80 s) have not been measured."""

_EXPLANATION = """\
## What was done

All sides paint the same pictures with the same weights in one process, in turns; who begins changes from round to
round, and an untimed turn of two steps comes first. A picture is named width x height x steps x guidance in Z-Image's
sense, where 0 is none. Seconds run from the prompts to 8-bit pixels in CPU memory.

- **stock, one by one**: `ZImagePipeline` of diffusers as one first writes it, one call per request.
- **stock, as a batch**: one call of the pipeline for all pictures, where they have the same shape.
- **denoiser**: leadart's, given all pictures at once. It keeps no prompt from turn to turn.
- **denoiser, compiled**: the same with the arithmetic between products compiled, with `--compile`.

GFLOP/s count the least that the pictures need: torch's `FlopCounterMode` over one forward of each part, every prompt
read once and unpadded. Padding and repeated reading cost time without counting as operations, on all sides. The share
of peak is of the matrix product above, measured in the same run. Memory is `max_memory_allocated` on a GPU, and the
peak of the whole process on a CPU.

The mixed requests are drawn once, with a fixed seed: sizes, 8 to 20 steps, guidance 0 to 5, English and Chinese
prompts, three negative prompts, one to three variants; the stock pipeline paints a request's variants in one call. The
tiny model's sizes have sides of 64 to 160 pixels, the full model's 480 to 1024. In the tiny model a call costs more
than the arithmetic of such a picture, and batching saves calls. The larger the picture, the less there is to save: one
of 512x512 alone keeps a CPU core busy.

## Run it

```sh
leadart bench engine --random tiny --threads 1 --write
leadart bench engine --random full --compile --device cuda:0 --write
leadart bench engine --model FOLDER --compile --write
```
"""
