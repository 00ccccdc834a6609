"""`leadart bench gateway`: a real gateway beside its broker, asked and listened to by a process of its own."""

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from consumer.dev.bench.gateway_load import Figures, GatewayLoad
from consumer.dev.bench.gateway_report import GatewayResult
from consumer.dev.bench.machine import machine
from consumer.dev.demo.gateway import DevGateway, open_dev_gateway
from consumer.dev.demo.stack import StackPlan, open_stack
from consumer.errors import Fatal
from consumer.settings import EngineKind
from schemas import Reason


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """How much to measure."""

    rounds: int = 5
    flood_seconds: float = 8.0
    paced_seconds: float = 30.0
    listeners: int = 500
    events: int = 20
    cards: int = 20


async def measure_gateway(plan: GatewayPlan, report: Callable[[str], None]) -> GatewayResult:
    """Run the plan, reporting each part. Raises `Fatal` when a part does not start or a request is refused."""
    facts = machine("fastapi", "uvicorn", "uvloop", "aiokafka")
    with TemporaryDirectory(prefix="leadart-bench-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        stack_plan = StackPlan(folder, EngineKind.SWATCH)
        async with open_stack(stack_plan, report, with_worker=True) as stack:
            await stack.worker()
            async with open_dev_gateway(folder, stack.environment, report) as gateway:
                if gateway is None:
                    raise Fatal(Reason.MISCONFIGURED, "The gateway is not installed: pip install 'leadart[gateway]'.")
                load = GatewayLoads(gateway, report)
                cards = await load.run("cards", 2, count=plan.cards)
                await stack.stop_worker()  # beside the broker alone: nobody paints what is asked from here on
                fan = await load.run("fan", plan.listeners, count=plan.events)
                await load.run("flood", 8, seconds=2.0)
                floods = [await load.run("flood", 32, seconds=plan.flood_seconds) for _ in range(plan.rounds)]
                paced = await load.run("paced", 32, seconds=plan.paced_seconds, rate=100.0)
    return GatewayResult(
        machine=facts,
        listeners=plan.listeners,
        accepted_per_second=tuple(flood["per_second"][0] for flood in floods),
        paced_seconds=tuple(paced["seconds"]),
        fan_seconds=tuple(fan["last"]),
        fan_half_seconds=tuple(fan["half"]),
        queued_seconds=tuple(cards["queued"]),
        ready_seconds=tuple(cards["ready"]),
        engine_seconds=tuple(cards["engine"]),
    )


class GatewayLoads:
    """Runs one load after the other against a gateway."""

    def __init__(self, gateway: DevGateway, report: Callable[[str], None]) -> None:
        self._address = urlsplit(str(gateway.process.address))
        self._token = gateway.settings["LEADART_GATEWAY__KEY"]
        self._report = report
        self._runs = 0

    async def run(self, mode: str, connections: int, **more: float) -> Figures:
        """Run a load in a process of its own, and return its figures. Raises `Fatal` with its words when it fails."""
        self._runs += 1
        load = GatewayLoad(
            mode=mode,  # type: ignore[arg-type]
            host=str(self._address.hostname),
            port=int(self._address.port or 0),
            token=self._token,
            prefix=f"bench-{self._runs}",
            connections=connections,
            **more,  # type: ignore[arg-type]
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "consumer.dev.bench.gateway_load"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, errors = await process.communicate(load.encoded())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise Fatal(Reason.INTERNAL, f"The load {mode} failed:\n{errors.decode(errors='replace')[-2000:]}")
        figures: Figures = json.loads(output)
        self._report(f"{mode}: {', '.join(f'{name} {_middle(values):.3f}' for name, values in figures.items())}")
        return figures


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
