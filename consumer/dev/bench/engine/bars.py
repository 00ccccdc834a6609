"""The bars for the full-size model on a GPU, and whether a run met them. Imports no torch."""

from dataclasses import dataclass

from consumer.dev.bench.engine.plan import EngineSide, PictureShape
from consumer.dev.bench.engine.result import EngineResult

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
