"""Ask for pictures, as a CMS does when an article is saved (pip install aiokafka)."""

import asyncio
import json
import os
import uuid

from aiokafka import AIOKafkaProducer

ARTICLE_ID = "a-1042"
REQUEST = {
    "article": {"id": ARTICLE_ID, "revision": 7, "headline": "Storm over the harbour"},
    "style": {"preset": "oil_painting"},
    "output": {"variants": 2, "width": 256, "height": 256},
}
HEADERS = {
    "content-type": "application/json",
    "ce_specversion": "1.0",
    "ce_id": str(uuid.uuid4()),
    "ce_source": "/cms/newsroom",
    "ce_type": "org.leadart.article.image-requested.v1",
}


async def main() -> None:
    """Publish one request, and wait until Kafka has it."""
    kafka = os.environ.get("KAFKA", "127.0.0.1:9092")
    async with AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True) as producer:
        await producer.send_and_wait(
            "article-image-requested",
            key=ARTICLE_ID.encode(),
            value=json.dumps(REQUEST).encode(),
            headers=[(name, text.encode()) for name, text in HEADERS.items()],
        )


asyncio.run(main())
