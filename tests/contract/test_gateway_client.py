"""Clients that generators make of the gateway's OpenAPI document: they compile, and work."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.support.absent import absent
from tests.support.gateway_server import ServedGateway, serve_gateway

PROGRAM = Path(__file__).parent / "clients" / "use_gateway.ts"
SECONDS = 240


async def run(folder: Path, *command: str, **environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-3000:]
    return output.decode()


async def document(served: ServedGateway, folder: Path) -> Path:
    """Write the document as the gateway serves it."""
    async with served.client().get("/v1/openapi.json") as answer:
        file = folder / "openapi.json"
        file.write_bytes(await answer.read())
    return file


async def test_a_typescript_client_is_generated_compiled_and_used(javascript: Path, tmp_path: Path) -> None:
    """It asks for pictures, follows them, lists styles, and is told which field was wrong."""
    modules = javascript / "node_modules"
    (tmp_path / "node_modules").symlink_to(modules)
    shutil.copy(PROGRAM, tmp_path)
    async with serve_gateway() as served:
        described = await document(served, tmp_path)
        generator = str(modules / "@hey-api" / "openapi-ts" / "bin" / "run.js")
        await run(tmp_path, "node", generator, "-i", described.name, "-o", "generated", "-c", "@hey-api/client-fetch")
        options = ("--strict", "--skipLibCheck", "--target", "es2022", "--lib", "es2023,dom,dom.iterable")
        compiler = str(modules / "typescript" / "bin" / "tsc")
        await run(tmp_path, "node", compiler, *options, "--module", "commonjs", "--outDir", "made", PROGRAM.name)
        said = await run(
            tmp_path, "node", f"made/{PROGRAM.stem}.js", GATEWAY_URL=served.url, GATEWAY_KEY=served.key("/cms/test")
        )

    found = json.loads(said)
    assert (found["state"], found["history"]) == ("queued", 1)
    assert (found["problem"]["status"], found["problem"]["field"]) == (422, "picture.sha256")
    assert "oil_painting" in found["styles"]
    assert len(served.published) == 1


async def test_pydantic_models_are_generated_and_read_an_answer(tmp_path: Path) -> None:
    """datamodel-codegen's models read what the gateway answers."""
    if find_spec("datamodel_code_generator") is None:
        absent("datamodel-code-generator is not installed")
    async with serve_gateway() as served:
        described = await document(served, tmp_path)
        client = served.client(served.key("/cms/test"))
        body = {"article": {"id": "a-1", "revision": 1, "headline": "Storm over the harbour"}}
        async with client.post("/v1/images", json=body) as answer:
            accepted = await answer.text()
    options = ("--input", described.name, "--output", "models.py", "--output-model-type", "pydantic_v2.BaseModel")
    await run(tmp_path, sys.executable, "-m", "datamodel_code_generator", *options)
    program = "import models, sys; print(models.AcceptedImage.model_validate_json(sys.argv[1]).article.id)"
    assert (await run(tmp_path, sys.executable, "-c", program, accepted)).strip() == "a-1"
