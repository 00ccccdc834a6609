"""`leadart doctor`: check what a worker needs. Nothing is changed, except for probe objects in the store."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from consumer.admin.partitioning import split_articles
from consumer.delivery.own_offsets import replay_command
from consumer.delivery.ports import MAX_RECORD_BYTES, BusError, Partition
from consumer.delivery.positions import explain
from consumer.engine.temporary_folder import require_temporary_folder
from consumer.engine.weights import adapter_files, check_folder, examine_custom_weights
from consumer.errors import Fatal, LeadartError
from consumer.kafka.acls import check_acls
from consumer.kafka.admin_client import KafkaAdmin, open_admin
from consumer.kafka.group import NEWER_PROTOCOL, check_former_group, described, has_offsets, strangers
from consumer.kafka.partition_reader import open_partition_reader
from consumer.kafka.topics import differing_configs, lane_topics, one_partition_count
from consumer.lag.reader import PartitionLag, open_lag_reader, skipped_by_topic
from consumer.pictures.rendition_file import load_renditions
from consumer.processing.policy import load_policy
from consumer.processing.styles import load_styles, require_adapters
from consumer.settings import PUBLISHED, EngineKind, Settings
from consumer.storage import ADDRESSES_END_EARLY, S3Store
from schemas.cloudevents import EVENT_BYTES
from schemas.topics import required_topics

WANTED_REPLICAS = 3
WANTED_IN_SYNC = 2
WANTED_OFFSETS_MINUTES = 7 * 24 * 60
HEADER_ROOM = 16_384
"""Bytes reserved for the headers that the worker adds to a dead letter."""


class CheckStatus(StrEnum):
    """A failure breaks a promise, a warning weakens one."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: its subject and status, and a message for the operator."""

    subject: str
    status: CheckStatus
    message: str


async def run_checks(settings: Settings) -> list[CheckResult]:
    """Check files, engine, store and bus, in this order; a check that fails does not hide the others."""
    results = []
    files = (("styles", _styles), ("policy", _policy), ("renditions", _renditions))
    for subject, check in (*files, ("engine", _engine), ("store", _store), ("bus", check_cluster)):
        results += await _guarded(subject, check, settings)
    return results


async def _guarded(
    subject: str, check: Callable[[Settings], Awaitable[list[CheckResult]]], settings: Settings
) -> list[CheckResult]:
    try:
        return await check(settings)
    except LeadartError as error:
        return [CheckResult(subject, CheckStatus.FAILURE, error.message)]
    except BusError as error:
        message = f"Kafka does not answer: {error}"
        return [CheckResult(subject, CheckStatus.FAILURE, message)]


async def _styles(settings: Settings) -> list[CheckResult]:
    presets, engine = load_styles(settings.styles.file).presets, settings.engine
    files = adapter_files(engine.adapters) if engine.kind is EngineKind.ZIMAGE else []
    require_adapters(presets.values(), engine.kind, [file.stem for file in files])
    return [CheckResult("styles", CheckStatus.OK, f"{len(presets)} presets: {', '.join(presets)}")]


async def _policy(settings: Settings) -> list[CheckResult]:
    if settings.policy.file is None:
        return []
    policy = load_policy(settings.policy.file, load_styles(settings.styles.file))
    return [CheckResult("policy", CheckStatus.OK, f"{len(policy.rules)} rules, version {policy.version}")]


async def _renditions(settings: Settings) -> list[CheckResult]:
    sets = load_renditions(settings.renditions.file).sets
    message = f"{len(sets)} sets: {', '.join(each.name for each in sets)}" if sets else "no sets: pictures alone"
    return [CheckResult("renditions", CheckStatus.OK, message)]


async def _engine(settings: Settings) -> list[CheckResult]:
    engine = settings.engine
    if engine.kind is EngineKind.SWATCH:
        return [CheckResult("engine", CheckStatus.WARNING, "the swatch engine paints colour cards, not pictures")]
    if engine.model is None:
        message = "LEADART_ENGINE__MODEL is not set: it names the model's folder"
        return [CheckResult("engine", CheckStatus.FAILURE, message)]
    require_temporary_folder()
    check_folder(engine.model)
    return [
        CheckResult("engine", CheckStatus.OK, f"{engine.model} holds a Z-Image pipeline in safetensors"),
        *(CheckResult("weights", CheckStatus.OK, sentence) for sentence in examine_custom_weights(engine)),
    ]


async def _store(settings: Settings) -> list[CheckResult]:
    async with S3Store(settings.storage) as store:
        await store.prepare()
        shortcomings = await store.examine()
        origin = await store.announced_origin()
        if await store.addresses_end_early():
            shortcomings.append(ADDRESSES_END_EARLY)
    message = f"bucket {settings.storage.bucket} takes pictures, and of writers at once exactly one wins"
    return [
        CheckResult("store", CheckStatus.OK, message),
        CheckResult("store", CheckStatus.OK, f"pictures are announced under {origin}, which their readers must reach"),
        *(CheckResult("store", CheckStatus.WARNING, sentence) for sentence in shortcomings),
    ]


async def check_cluster(settings: Settings) -> list[CheckResult]:
    """Check cluster, topics and group. Raises `BusError` when no broker answers, `Fatal` when topics are missing."""
    async with open_admin(settings.kafka) as admin:
        await check_acls(admin, settings)
        count = await one_partition_count(admin, settings)
        names = [settings.topics.named(spec.name) for spec in required_topics()]
        configs = await admin.topic_configs(names)
        return [
            CheckResult("topics", CheckStatus.OK, f"{len(names)} topics of {count} partitions"),
            CheckResult("rights", CheckStatus.OK, "this user has a worker's rights to every topic"),
            *[
                CheckResult("topics", CheckStatus.WARNING, line)
                for line in await differing_configs(admin, settings, required_topics())
            ],
            await _replication(admin, names),
            *_durability(configs),
            *_compaction(settings, configs),
            *_sizes(settings, configs),
            await _group_members(admin, settings),
            *await _group_offsets(admin, settings),
            await _offsets_retention(admin),
            await _partitioning(settings, count),
        ]


async def _replication(admin: KafkaAdmin, names: list[str]) -> CheckResult:
    fewest = await admin.fewest_replicas(names)
    if fewest < WANTED_REPLICAS:
        return CheckResult(
            "replication",
            CheckStatus.WARNING,
            f"a topic has {fewest} replica(s): one lost disk loses requests; production needs {WANTED_REPLICAS}",
        )
    return CheckResult("replication", CheckStatus.OK, f"at least {fewest} replicas everywhere")


def _durability(configs: Mapping[str, Mapping[str, str | None]]) -> list[CheckResult]:
    results = []
    weak = [name for name, config in configs.items() if int(config.get("min.insync.replicas") or 1) < WANTED_IN_SYNC]
    if weak:
        message = (
            f"min.insync.replicas is below {WANTED_IN_SYNC}, so an acknowledged record may be lost: {', '.join(weak)}"
        )
        results.append(CheckResult("durability", CheckStatus.WARNING, message))
    for name, config in configs.items():
        if config.get("unclean.leader.election.enable") == "true":
            message = f"{name}: unclean.leader.election.enable is on: a failover may lose committed records"
            results.append(CheckResult("durability", CheckStatus.FAILURE, message))
    return results or [CheckResult("durability", CheckStatus.OK, "min.insync.replicas and leader elections are safe")]


def _compaction(settings: Settings, configs: Mapping[str, Mapping[str, str | None]]) -> list[CheckResult]:
    return [
        CheckResult("lanes", CheckStatus.FAILURE, f"{lane} is compacted: older requests are lost unanswered")
        for lane in lane_topics(settings)
        if "compact" in (configs[lane]["cleanup.policy"] or "")
    ]


def _sizes(settings: Settings, configs: Mapping[str, Mapping[str, str | None]]) -> list[CheckResult]:
    limits: dict[str, list[int]] = {}
    for spec in required_topics():
        config = configs[settings.topics.named(spec.name)]
        limits.setdefault(spec.kind, []).append(int(config.get("max.message.bytes") or 0))
    lanes, letters, outcomes = max(limits["lane"]), min(limits["dead_letter"]), min(limits["outcome"])
    problems = []
    if lanes > MAX_RECORD_BYTES - HEADER_ROOM:
        problems.append(
            f"a lane takes records of {lanes} bytes, but a dead letter of this worker holds at most {MAX_RECORD_BYTES}"
        )
    if outcomes < EVENT_BYTES:
        problems.append(
            f"the outcomes' max.message.bytes ({outcomes}) is below the {EVENT_BYTES} bytes of the largest event"
        )
    if letters <= lanes:
        problems.append(f"the dead letters' max.message.bytes ({letters}) is not above the lanes' ({lanes})")
    if not problems:
        return [CheckResult("sizes", CheckStatus.OK, "dead letters can hold whatever a lane takes")]
    return [CheckResult("sizes", CheckStatus.FAILURE, problem) for problem in problems]


async def _group_members(admin: KafkaAdmin, settings: Settings) -> CheckResult:
    try:
        await check_former_group(admin, settings)
    except Fatal as error:
        return CheckResult("members", CheckStatus.FAILURE, error.message)
    who, group, lanes = f"group {settings.kafka.group_id}", await admin.group(), lane_topics(settings)
    if others := strangers(group, lanes):
        message = f"{who} is in use by others, which take partitions from the workers: {described(others)}"
        return CheckResult("members", CheckStatus.FAILURE, message)
    # A stopped group is empty, and one that never was has no offsets.
    firsts = [Partition(lane, 0) for lane in lanes]
    if group.state == "Dead" and await has_offsets(admin, firsts, settings.kafka.group_id):
        message = f"{who} has offsets, but is not there for classic members: perhaps it is in use by {NEWER_PROTOCOL}"
        return CheckResult("members", CheckStatus.WARNING, message)
    return CheckResult("members", CheckStatus.OK, f"nobody else is in {who}")


async def _group_offsets(admin: KafkaAdmin, settings: Settings) -> list[CheckResult]:
    """Compare the group's offsets with what the lanes' logs hold, and with those that leadart committed itself."""
    group = settings.kafka.group_id
    async with open_lag_reader(settings, admin) as reader:
        lags = (await reader.read(outcomes=False)).partitions
    results = _foreign_commits(group, lags)
    if stuck := [lag.stuck for lag in lags if lag.stuck]:
        results.append(CheckResult("group", CheckStatus.FAILURE, explain(stuck).message))
    if deleted := [f"{lag.topic}:{lag.partition} ({lag.deleted})" for lag in lags if lag.deleted]:
        message = f"records were deleted before they were read, and get no outcome: {', '.join(deleted)}"
        results.append(CheckResult("group", CheckStatus.WARNING, message))
    return results or [CheckResult("group", CheckStatus.OK, f"group {group} has an offset in every lane")]


def _foreign_commits(group: str, lags: Sequence[PartitionLag]) -> list[CheckResult]:
    return [
        CheckResult(
            "group",
            CheckStatus.FAILURE,
            f"{topic}: somebody else committed offsets for group {group}; a worker that gets the partition goes back "
            f"to leadart's own. To see what they skip: {replay_command(topic, spans)}",
        )
        for topic, spans in skipped_by_topic(lags).items()
    ]


async def _offsets_retention(admin: KafkaAdmin) -> CheckResult:
    config = await admin.broker_config()
    if config is None:
        message = "offsets.retention.minutes cannot be read, not authorized: DescribeConfigs of the cluster"
        return CheckResult("offsets", CheckStatus.WARNING, message)
    minutes = int(config.get("offsets.retention.minutes") or 0)
    if minutes < WANTED_OFFSETS_MINUTES:
        message = f"offsets.retention.minutes is {minutes}: a group stopped for longer loses its offsets"
        return CheckResult("offsets", CheckStatus.WARNING, message)
    return CheckResult("offsets", CheckStatus.OK, f"offsets of a stopped group are kept {minutes // 1440} days")


async def _partitioning(settings: Settings, count: int) -> CheckResult:
    lanes = [Partition(settings.topics.named(base), number) for base in sorted(PUBLISHED) for number in range(count)]
    async with open_partition_reader(settings.kafka) as reader:
        split = await split_articles(reader, lanes)
    if not split:
        return CheckResult("partitioner", CheckStatus.OK, "recent requests of an article lie on one partition")
    article, numbers = next(iter(split.items()))
    message = (
        f"recent requests of {len(split)} article(s) lie on several partitions, such as {article[:80]!a} on {numbers}, "
        "and lose their order: let all publishers partition as Java's client does (murmur2), schemas/README.md; or the "
        "topics grew since"
    )
    return CheckResult("partitioner", CheckStatus.WARNING, message)
