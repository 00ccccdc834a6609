"""The report of `leadart bench renditions`."""

from consumer.dev.bench.renditions import RenditionResult, as_json
from consumer.dev.bench.reporting import BenchReport, Rows, markdown_table
from consumer.dev.bench.worker_report import WORKER_BAR


def renditions_report(result: RenditionResult) -> BenchReport:
    """Return the report of a run."""
    head = ("Engine, pictures/s", "whole worker, pictures/s", "Ratio", "processor seconds a picture")
    return BenchReport(
        name="leadart bench renditions",
        title="What renditions cost",
        verdict=_verdict(result),
        figures=as_json(result),
        head=("File", "processor seconds", "KB", "of the PNG"),
        rows=_rows(result),
        sections=["## The whole worker with the full set", markdown_table(head, _turns(result))],
        machine=result.machine,
        explanation=_explained(result),
    )


def _rows(result: RenditionResult) -> Rows:
    return [
        (
            each.name,
            f"{each.seconds:.3f}",
            f"{each.bytes_ / 1000:.1f}",
            f"{100 * each.bytes_ / result.master_bytes:.1f} %",
        )
        for each in (*result.files, result.full)
    ]


def _turns(result: RenditionResult) -> Rows:
    return [
        (f"{turn.by_engine:.2f}", f"{turn.by_worker:.2f}", f"{turn.ratio:.3f}", f"{turn.cpu_seconds:.2f}")
        for turn in result.turns
    ]


def _verdict(result: RenditionResult) -> str:
    kept = [turn for turn in result.turns if turn.ratio >= WORKER_BAR]
    sentences = [f"The full set takes {result.full.seconds:.2f} processor seconds a picture"]
    if kept:
        most = max(turn.pace for turn in kept)
        sentences.append(f"the worker keeps {WORKER_BAR:g} of its engine's pace up to {most:g} pictures/s")
    if len(kept) < len(result.turns):
        made = max(turn.by_worker for turn in result.turns)
        sentences.append(f"where encoding is the limit, it makes {made:.1f}")
    return "; ".join(sentences) + "."


def _explained(result: RenditionResult) -> str:
    width, height = result.size
    return _EXPLANATION.format(
        pictures=result.pictures, width=width, height=height, threads=result.threads, png=result.master_bytes / 1000
    )


_EXPLANATION = """\
## What was done

{pictures} pictures of {width}x{height} were encoded as masters ({png:.0f} KB as PNG) and rendered with the site's sets.
A file's cost includes reading the master, cropping, scaling and the placeholder; the full set does those once.
Processor seconds are the best of three, the mean over the pictures.

For the worker, an engine that uses no processor gives the pictures at a set pace. One request for one picture each is
published for all of them at once. What counts is the time from the first outcome that a subscriber sees to the last,
with every rendition in the store. {threads} threads make renditions. Kafka and the store are their in-memory twins: no
network.

Where encoding is the limit, requests wait for it without their pixels, as their masters are in the store by then. The
engine goes on until `LEADART_WORKER__JOBS_IN_HAND` requests wait; then the worker reads no more, and lag shows it.
Nothing is lost.

## Run it

```sh
leadart bench renditions PICTURE.png … --write
```
"""
