"""Publish what an editor decided (pip install aiokafka): python decide.py choose SHA256, let-go or withdraw."""

import asyncio
import json
import os
import sys
import uuid
from typing import Any

from aiokafka import AIOKafkaProducer

ARTICLE = {"id": "a-1042", "revision": 7}


def decision(word: str = "", sha256: str | None = None) -> tuple[str, dict[str, Any]]:
    """Return the event's type and data. Ends the program for anything else."""
    if word == "choose" and sha256:  # pictures[].sha256 of a ready outcome
        return "image-chosen", {"article": ARTICLE, "slot": "hero", "picture": {"sha256": sha256}, "chosen_by": "kim"}
    if word == "let-go":
        return "image-chosen", {"article": ARTICLE, "slot": "hero", "picture": None, "chosen_by": "kim"}
    if word == "withdraw":  # all slots; "restored" takes it back
        return "withdrawn", {"article": {"id": ARTICLE["id"]}, "slot": None, "reason": "A court ordered it down."}
    sys.exit(__doc__)


async def main() -> None:
    """Publish one decision, and wait until Kafka has it."""
    event_type, data = decision(*sys.argv[1:3])
    headers = {
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_id": str(uuid.uuid4()),
        "ce_source": "/cms/newsroom",
        "ce_type": f"org.leadart.article.{event_type}.v1",
    }
    kafka = os.environ.get("KAFKA", "127.0.0.1:9092")
    async with AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True) as producer:
        await producer.send_and_wait(
            "article-image-requested",
            key=str(ARTICLE["id"]).encode(),
            value=json.dumps(data).encode(),
            headers=[(name, text.encode()) for name, text in headers.items()],
        )


asyncio.run(main())
