"""Models with random weights: speed does not depend on trained ones."""

import asyncio
import sys
from pathlib import Path

from consumer.dev.embedded import guard
from consumer.errors import Fatal
from schemas import Reason


async def build_model(folder: Path, module: str) -> None:
    """Run `module` to write a pipeline into `folder`, in a process of its own that is killed on cancellation.

    Raises `Fatal` with the end of its output when it fails.
    """
    builder = (sys.executable, "-P", "-m", module, str(folder))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", guard.__file__, *builder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output = await process.stdout.read() if process.stdout else b""
    finally:
        if process.stdin:
            process.stdin.close()  # the guard then kills the builder, if it still runs
        status = await process.wait()
    if status:
        ending = output.decode(errors="replace").strip()[-2000:]
        raise Fatal(Reason.MODEL_UNAVAILABLE, f"The model could not be built: pip install 'leadart[engine]'.\n{ending}")
