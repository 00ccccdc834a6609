"""The report of `leadart bench engine`."""

from collections.abc import Mapping

from consumer.dev.bench.engine.bars import ENGINE_BARS, NOT_MEASURED, bar_rows, bars_met, judged
from consumer.dev.bench.engine.plan import EngineSide
from consumer.dev.bench.engine.result import MIXED_BAR, BusyResult, EngineResult, JoinResult, WorkloadResult
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
    "dB to stock",
)


def engine_report(result: EngineResult) -> BenchReport:
    """Return the report of a run, finished or not; it passed if no part of it failed."""
    rows, notes = _rows(result), _notes(result)
    return BenchReport(
        name="leadart bench engine",
        title="The denoiser beside the stock pipeline",
        verdict=_verdict(result),
        figures={**result.as_json(), "bars": judged(result)},
        passed=not result.failed,
        head=_HEAD,
        rows=rows,
        terminal=(_short(_HEAD), [_short(row) for row in rows]),
        notes=[*_spoken(result), *_unfinished(result), *(": ".join(note) for note in notes)],
        remarks=[*([_NO_GPU] if result.device.kind == "cpu" else []), *_unfinished(result)],
        sections=[*_bars(result), "## Also measured", markdown_table(("", ""), notes), *_facts(result)],
        machine=result.machine,
        explanation=_EXPLANATION,
    )


def _rows(result: EngineResult) -> Rows:
    """Return a row for each piece of work and side, in the order of `_HEAD`; the mixed requests last."""
    contests = sorted(result.contests, key=lambda contest: contest.work.mixed)
    return [_row(result, contest, side) for contest in contests for side in contest.sides]


def _verdict(result: EngineResult) -> str:
    """Return what the bars say on a GPU, and what the mixed requests say if they were measured."""
    said = []
    if result.device.has_bars:
        reached, measured = bars_met(result, EngineSide.DENOISER)
        said.append(f"The denoiser meets {reached} of the {measured} bars that were measured.")
    ratio = result.mixed.ratio(EngineSide.DENOISER) if result.mixed else None
    if result.mixed is None or ratio is None:
        return " ".join((*said, "Mixed requests were left out."))
    faster = f"On {result.mixed.work.name} the denoiser is {ratio:.2f} times as fast as the stock pipeline, one request"
    bar = f"bar {MIXED_BAR:g} for the tiny model on a CPU: {met(ratio >= MIXED_BAR)}"
    return " ".join((*said, f"{faster} at a time ({bar})."))


def _unfinished(result: EngineResult) -> list[str]:
    """Return what the run has not measured, each with the reason."""
    said = [] if result.finished else ["**The run was ended before it was through.**"]
    missing = [*_listed("Left out", result.left_out), *_listed("Failed", result.failed)]
    return [*said, *(["\n".join(missing)] if missing else [])]


def _listed(what: str, parts: Mapping[str, str]) -> list[str]:
    return [f"- {what}: {part}: {why}." for part, why in parts.items()]


def _bars(result: EngineResult) -> list[str]:
    """Return the section with every side's figure at each bar, if there is any."""
    rows = bar_rows(result)
    return ["## Bars", markdown_table(("", *result.sides), rows)] if rows else []


def _facts(result: EngineResult) -> list[str]:
    """Return the section with what the device reaches piece by piece, if that was measured."""
    rows = [(fact.what, f"{fact.figure:,.3g} {fact.unit}") for fact in result.facts]
    return ["## The device, piece by piece", markdown_table(("", "best of five"), rows)] if rows else []


def _spoken(result: EngineResult) -> list[str]:
    """Return the bars as lines for a terminal."""
    lines = []
    for bar, *cells in bar_rows(result):
        figures = [f"{side} {cell}" for side, cell in zip(result.sides, cells, strict=True) if cell != NOT_MEASURED]
        lines.append(f"{bar}: {', '.join(figures)}")
    return lines


def _notes(result: EngineResult) -> list[tuple[str, str]]:
    """Return what else was measured: the device, its peak, joining, the busy GPU, the compiler."""
    device = result.device
    return [
        ("device", f"{device.kind}, {device.dtype}, {device.threads} CPU threads"),
        ("kernels of the denoiser", device.kernels),
        ("the denoiser's compiled parts", device.compiled),
        ("matrix peak", f"{device.matrix_peak / 1e12:.3g} TFLOP/s, a large product in {device.dtype}"),
        ("cost of a token", f"{result.token_seconds * 1e6:.3g} µs in a call of four pictures"),
        ("rounds", str(result.rounds)),
        *map(_note_of_join, result.joins),
        *map(_note_of_busy, result.busy),
        *((f"{side} is ready", _compiled_in(seconds, result)) for side, seconds in result.compile_seconds.items()),
    ]


def _note_of_join(join: JoinResult) -> tuple[str, str]:
    first, last = f"{join.first_step_seconds:.3f} s", f"{join.painted_seconds:.3f} s"
    return f"an editor's picture among eight others, {join.side}", f"first step {first} after it came, painted {last}"


def _note_of_busy(busy: BusyResult) -> tuple[str, str]:
    return f"GPU busy, {busy.side}, batch {busy.batch}", f"{100 * busy.share:.1f} %, {busy.kernels} kernels"


def _compiled_in(seconds: float, result: EngineResult) -> str:
    return f"{seconds:.1f} s after its first call; cache: {result.compile_cache or 'a temporary folder'}"


def _short(row: tuple[str, ...]) -> tuple[str, ...]:
    pictures, batch, who, seconds, _, each_second, _, share, _, times, _ = row
    return pictures, batch, who, seconds.split(",")[0], each_second, share, times


def _row(result: EngineResult, contest: WorkloadResult, side: EngineSide) -> tuple[str, ...]:
    ratio, alike = contest.ratio(side), contest.decibels(side)
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
        NOT_MEASURED if ratio is None else f"{ratio:.2f}",
        NOT_MEASURED if alike is None else f"{alike:.1f}",
    )


_BARS = "\n".join(f"- {bar.words}" for bar in ENGINE_BARS)

_NO_GPU = f"""\
**No GPU was available for this run.** These are figures of a model on a CPU. They show what the denoiser saves in calls
and padding, and say nothing about the speed of the full model. Its bars on a GPU have not been measured:

{_BARS}"""

_EXPLANATION = """\
## What was done

All sides paint the same pictures with the same weights in one process, in turns; who begins changes from round to
round, and an untimed turn of two steps comes first. A picture is named width x height x steps x guidance in Z-Image's
sense, where 0 is none. Seconds run from the prompts to 8-bit pixels in CPU memory.

- **stock, one by one**: `ZImagePipeline` of diffusers as one first writes it, one call per request.
- **stock, as a batch**: one call of the pipeline for all pictures, where they have the same shape.
- **stock, compiled**: the same, its blocks compiled as diffusers advises (`compile_repeated_blocks`).
- **denoiser**: leadart's, given all pictures at once. It keeps no prompt from turn to turn. What the engine compiles
  in the background (on a GPU: the decoder) is compiled before the first turn.
- **denoiser, compiled**: the same with decoder and arithmetic between products compiled, instead of fused or plain.

Compiled sides take part on a GPU, elsewhere with `--compile`; they paint a few steps before their first turn, which
is the time until they are ready.

GFLOP/s count the least that the pictures need: torch's `FlopCounterMode` over one forward of each part, every prompt
read once and unpadded. Padding and repeated reading cost time without counting as operations, on all sides. The share
of peak is of the matrix product above, measured in the same run. Memory is `max_memory_allocated` on a GPU, and the
peak of the whole process on a CPU. **dB to stock** is how alike a side's pictures are to those of the stock pipeline,
one by one, in 8 bits: the least alike of all, 138 if they are equal. A side that is fast with other pictures shows
there.

The mixed requests are drawn once, with a fixed seed: sizes, 8 to 20 steps, guidance 0 to 5, English and Chinese
prompts, three negative prompts, one to three variants; the stock pipeline paints a request's variants in one call.
The tiny model's sizes have sides of 64 to 160 pixels, the full model's 480 to 1024. In the tiny model a call costs
more than the arithmetic of such a picture, and batching saves calls. The larger the picture, the less there is to
save: one of 512x512 alone keeps a CPU core busy.

An editor's picture comes halfway through a step while eight others are painted. The denoiser takes it when its call
returns, as the engine's process does; a GPU whose steps are short has the next one of others by then, and that one
counts. The stock pipeline has no way to let it in, so it waits for the end of their call. The GPU is busy while torch's
profiler sees at least one kernel run; prompts, steps and decoding count.

## Run it

```sh
leadart bench engine --random tiny --threads 1 --write
leadart bench engine --random full --device cuda:0 --budget 520 --out h200.json
leadart bench engine --model FOLDER --write
```

`--budget` says how many seconds the run may take, loading included. Parts are measured by their worth: one round of
what has a bar, how an editor's picture joins, how busy the GPU is, what it reaches with the model's single products,
attention and parts, the compiled sides, further rounds, other batches, mixed requests. A part is
begun only if it fits by what was measured before; what does not is named with the seconds it needs. A part that fails
is named, the run goes on and ends with exit status 1. After each turn the JSON in `--out` and the page beside it
(`.md`) are replaced by whole ones, so a run may be killed at any moment. Compiling cannot be interrupted and takes
minutes on a GPU: where something ends the run, give it a minute more than the budget.

On a machine with nothing but torch, diffusers and pydantic, with what they bring along and this repository:

```sh
export PYTORCH_ALLOC_CONF=expandable_segments:True
python -m consumer.dev.bench.engine --random full --budget 520 --out h200.json
```

It has the same options and reads no `LEADART_*` variables. torch from 2.10, diffusers 0.42.1, transformers from 5.17
are enough; without Triton the denoiser is measured with plain kernels, and the page says so.
"""
