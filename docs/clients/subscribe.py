"""Print what each slot shows, whenever that changes (pip install aiokafka; slot.py lies beside this file)."""

import asyncio
import json
import os
from collections import defaultdict
from typing import Any

from aiokafka import AIOKafkaConsumer
from slot import shown


def print_pictures(ready: dict[str, Any]) -> None:
    """Print each picture and its files."""
    for picture in ready["pictures"]:
        print(ready["article"]["id"], ready["article"]["revision"], picture["url"], flush=True)
        for file in picture.get("renditions", ()):
            print(f"  {file['name']} {file['media_type']} {file['bytes']} bytes {file['url']}", flush=True)
    print(
        "  AI-generated.",
        (ready.get("disclosure") or {}).get("credit_line", ""),
        ready.get("caption") or "",
        flush=True,
    )


async def main() -> None:
    """Read all outcomes, then each new one, until interrupted. A CMS stores them, and has a group_id."""
    consumer = AIOKafkaConsumer(
        "article-image-outcome",
        bootstrap_servers=os.environ.get("KAFKA", "127.0.0.1:9092"),
        isolation_level="read_committed",  # the default also shows events of aborted transactions
        auto_offset_reset="earliest",
    )
    slots: defaultdict[tuple[str, str | None], list[tuple[str, Any]]] = defaultdict(list)
    async with consumer:
        async for record in consumer:
            kind = dict(record.headers)["ce_type"].decode().split(".")[-2].removeprefix("image-")
            outcome = json.loads(record.value)
            slot = outcome["article"]["id"], outcome["slot"]
            before = shown(slots[slot])
            slots[slot].append((kind, outcome))
            after = shown(slots[slot])
            if kind != "ready" or outcome.get("offers"):  # what the editor is told; the slot shows what it showed
                print(*slot, kind if kind != "ready" else "offers", outcome.get("message") or "", flush=True)
            if after is None and before is not None:  # withdrawn, or a picture of the site's own
                print(*slot, "shows nothing", flush=True)
            elif after is not None and after is not before:
                print_pictures(after)


asyncio.run(main())
