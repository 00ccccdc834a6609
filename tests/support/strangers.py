"""Others in the worker's consumer group."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from schemas import names
from tests.support.harness import Site


def stray_consumer(site: Site, **options: Any) -> AIOKafkaConsumer:
    """Return a reader of the requests in the site's group, as a UI that was given its name; it joins when it starts."""
    return AIOKafkaConsumer(
        site.topic(names.REQUESTED),
        bootstrap_servers=site.settings.kafka.bootstrap_servers,
        group_id=site.settings.kafka.group_id,
        client_id="kafka-ui",
        partition_assignment_strategy=(RangePartitionAssignor,),
        **options,
    )
