"""docs/cms/http.md does what it says: its commands are run as they stand there, against a real gateway and worker."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from tests.support.gateway_process import GatewayProcess, gateway_process
from tests.support.harness import BOUND, Site, workers

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "cms" / "http.md").read_text(encoding="utf-8")
SECTIONS = {
    title: re.findall(r"```sh\n(.*?)```", body, re.DOTALL)
    for title, _, body in (part.partition("\n") for part in PAGE.split("\n## "))
}


@pytest.fixture(scope="module")
def gateway(kafka: KafkaServer, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    site = Site.fresh(kafka, s3, GATEWAY__TASK_API_SOURCE="/cms/demo").prepare()
    folder = tmp_path_factory.mktemp("http")
    with workers(site, folder), gateway_process(site, folder) as running:
        yield running


PLACEHOLDERS = {"ID": "91c1…", "SHA256": "9f2c…", "TASK": "5d0e…"}
"""What the page has in place of an answer's own."""


class Shell:
    """Runs commands as a reader pastes them: with the page's `api`, and what was noted of answers before."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.known = {"LEADART_GATEWAY__URL": gateway.url, "LEADART_GATEWAY__KEY": gateway.key}
        (introduction,) = next(iter(SECTIONS.values()))
        self._function = next(line for line in introduction.splitlines() if line.startswith("api()"))

    def run(self, commands: str) -> str:
        for name, placeholder in PLACEHOLDERS.items():
            commands = commands.replace(f"{name}={placeholder}", f"{name}=${{{name}_OF_ANSWER}}")
        done = subprocess.run(  # noqa: S603 - the page's own commands
            ["bash", "-c", f"set -e\n{self._function}\n{commands}"],  # noqa: S607 - whichever bash is there
            env={**os.environ, **self.known},
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def until(self, commands: str, found: str) -> str:
        """Repeat commands until their output has a text."""
        again = f"until {{ {commands.strip()}; }} | grep -q '{found}'; do sleep 0.2; done"
        return self.run(f"{again}\n{commands}")


def last_json(output: str) -> Any:
    return json.loads(output[output.rindex("\n{") if "\n{" in output else 0 :])


def test_a_stranger_s_first_hour(gateway: GatewayProcess) -> None:
    """Ask, follow, show, choose, crop, take down, restore; and the error that the page shows."""
    shell = Shell(gateway)
    asked = shell.run(SECTIONS["Ask for pictures"][0])
    assert asked.startswith("HTTP/1.1 202 Accepted")
    image = last_json(asked)
    assert f"location: /v1/images/{image['id']}" in asked

    shell.known["ID_OF_ANSWER"] = image["id"]
    follow, held = SECTIONS["Follow it"]
    stream = shell.run(follow)  # ends by itself with the outcome
    assert '"state":"ready"' in stream
    listed = json.loads(shell.run(held))
    assert (listed["articles"], listed["next"]) == ([], None)

    slot = json.loads(shell.run(SECTIONS["Show it"][0]))
    shell.known["SHA256_OF_ANSWER"] = slot["picture"]["sha256"]
    picture = f"$LEADART_GATEWAY__URL/v1/pictures/{slot['picture']['sha256']}"
    shell.run(f'curl -sf "{picture}/thumb-320"')
    choosing, others = re.split(r"(?=\napi .*/crop)", SECTIONS["Choose, crop, take down"][0])
    decided = shell.run(choosing)
    shell.until(f'curl -s -o /dev/null -w "%{{http_code}}" "{picture}/hero-960"', "307")
    decided += shell.run(choosing.partition("api ")[0] + others)
    assert [each["kind"] for each in map(json.loads, decided.replace("}{", "}\n{").splitlines())] == [
        "choice", "crop", "withdrawal", "restoration",
    ]  # fmt: skip

    (shown,) = re.findall(r'```\n(\{"type".*?)```', PAGE, re.DOTALL)
    assert json.loads(shell.run(SECTIONS["Errors"][0])) == json.loads(shown)


def test_a_task_of_before(gateway: GatewayProcess) -> None:
    """Generate without a key, poll, fetch."""
    shell = Shell(gateway)
    generate, noted, status, result = re.split(r"\n(?=curl|TASK)", SECTIONS["From the task API"][0].strip())
    shell.known["TASK_OF_ANSWER"] = json.loads(shell.run(generate))["task_id"]
    assert '"completed"' in shell.until(f"{noted}\n{status}", '"completed"')
    assert json.loads(shell.run(f"{noted}\n{result}"))["count"] == 2


@pytest.mark.parametrize("page", ["cms/panel.md", "clients/panel.html", "clients.md"])
def test_the_panel_s_token_is_made_as_printed(gateway: GatewayProcess, page: str) -> None:
    """Each page's curl makes a token for the article, good for an hour."""
    text = (DOCS / page).read_text(encoding="utf-8")
    (command,) = re.findall(r"^ *(curl [^\n]*/v1/tokens.*?\}')$", text, re.DOTALL | re.MULTILINE)
    made = json.loads(Shell(gateway).run(f"{command} --silent"))
    assert (made["articles"], made["scopes"]) == (["a-1042"], ["choose", "publish", "read"])
