"""Print each article's pictures as soon as they are there (pip install aiokafka)."""

import asyncio
import json
import os

from aiokafka import AIOKafkaConsumer


async def main() -> None:
    """Print each outcome until interrupted."""
    consumer = AIOKafkaConsumer(
        "article-image-outcome",
        bootstrap_servers=os.environ.get("KAFKA", "127.0.0.1:9092"),
        group_id="cms",
        isolation_level="read_committed",  # the default also shows events of aborted transactions
        auto_offset_reset="earliest",
    )
    async with consumer:
        async for record in consumer:
            kind = dict(record.headers)["ce_type"].decode().split(".")[-2]
            outcome = json.loads(record.value)
            article = outcome["article"]["id"], outcome["article"]["revision"]
            if kind == "image-ready":
                for picture in outcome["pictures"]:
                    print(*article, picture["url"], flush=True)
                    for file in picture.get("renditions", ()):
                        print(f"  {file['name']} {file['media_type']} {file['bytes']} bytes {file['url']}", flush=True)
                print("  AI-generated.", outcome.get("disclosure", {}).get("credit_line", ""), flush=True)
            else:  # image-failed, image-superseded, image-expired: no picture will come for this request
                print(*article, kind, outcome.get("message", ""), flush=True)


asyncio.run(main())
