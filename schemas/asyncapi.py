"""The AsyncAPI documents: the contract's channels, operations and messages, from the topics and the examples."""

from importlib.resources import files
from typing import Any, Final

import yaml

from schemas import names
from schemas.cloudevents import ENVELOPE_MEDIA_TYPE, read, write
from schemas.fields import ARTICLE_ID_PATTERN
from schemas.plain import plain_schemas
from schemas.publish import event_schemas
from schemas.topics import TopicSpec, load_topics

Node = dict[str, Any]

BINDING: Final = {"bindingVersion": "0.5.0"}
SCHEMA_FORMAT: Final = "application/schema+json;version=draft-07"
"""The one JSON Schema dialect that every AsyncAPI tool must support; ours use only what 2020-12 shares with it."""

PUBLIC: Final = (names.REQUESTED, names.BACKFILL, names.OUTCOME, names.PROGRESS)
"""The topics of the contract; the others are internal to workers and operators."""
TOPIC_SETTINGS: Final = ("cleanup.policy", "retention.ms", "max.message.bytes")
"""The settings that the Kafka binding defines."""

SUMMARIES: Final = {
    names.IMAGE_REQUESTED: "An article was saved, or an editor requests pictures.",
    names.IMAGE_RECROP_REQUESTED: "An editor moves the focal point or the crops of a picture.",
    names.IMAGE_CHOSEN: "An editor keeps a picture in a slot, or lets go of it.",
    names.IMAGE_APPROVED: "An editor approves a held request.",
    names.ARTICLE_WITHDRAWN: "An article's pictures are taken down.",
    names.ARTICLE_RESTORED: "A withdrawn article may have pictures again.",
    names.IMAGE_READY: "The pictures exist and can be fetched.",
    names.IMAGE_FAILED: "There will be no picture for this request.",
    names.IMAGE_SUPERSEDED: "A newer revision replaced the request.",
    names.IMAGE_EXPIRED: "The request's expirytime passed before its turn came.",
    names.IMAGE_DECLINED: "The site's own rules want no picture here.",
    names.IMAGE_HELD: "The request waits for an editor's approval; another outcome follows.",
    names.IMAGE_WITHDRAWN: "The slot's pictures are deleted, and no more are made.",
    names.IMAGE_CANCELLED: "An operator called the request off.",
    names.IMAGE_PROGRESS: "Progress of a request; may repeat or get lost.",
}

DESCRIPTION: Final = """\
A subscriber MUST set isolation.level=read_committed (Java, aiokafka and others default to read_uncommitted).

A CMS publishes a request when an article is saved; leadart answers each with exactly one final outcome: ready, failed,
superseded, expired, declined, withdrawn or cancelled; one that an editor has to approve is announced as held first.
Editorial decisions (choose, approve, withdraw, restore) go to the same topic. Events are CloudEvents 1.0, published in
binary mode, read in binary and structured mode.

- The record key is the article id, and all producers of a topic partition as Java's client does (murmur2): the defaults
  of librdkafka (CRC32) and sarama (FNV) differ.
- A slot shows the ready outcome with the highest (revision, ordinal), `offers` left out, among those with an ordinal
  above its last decision's; if there is none, what that decision says. A decision is a ready outcome with `chosen`
  (its picture), and a withdrawn outcome or one declined by the rule `external_choice` (nothing).
- Events with equal `source` and `id` are the same event: process it once, but take newer addresses from a repeat.
- Ignore unknown fields: new ones may be added without notice. An incompatible change gets a type `.v2`.
- A site may prefix the topic names, for example with `staging-`.
"""


def asyncapi() -> str:
    """Return the document as YAML."""
    return _yaml(_document())


def asyncapi_for_generators() -> str:
    """Return the same contract as AsyncAPI 3.0.0 in one file, for code generators, as YAML.

    Payloads are the plain schemas, called by their titles: Modelina, which reads no later version, names classes after
    an `$id` and takes a request's replies for its payloads. Each type of request and of outcome has a channel of its
    own with an equal address: Modelina's Java tells the messages of a channel apart by their fields, and these share
    theirs.
    """
    document = _document() | {"asyncapi": "3.0.0"}
    for topic in (names.REQUESTED, names.BACKFILL):
        _separate(document, topic, "take", _take(topic))
    _separate(document, names.OUTCOME, "announce", _announce(names.OUTCOME))
    for message in document["components"]["messages"].values():
        message["payload"] = _ref("components", "schemas", _title(message["name"]))
    for operation in document["operations"].values():
        operation.pop("reply", None)
    document["components"]["schemas"] = plain_schemas()
    return _yaml(document)


def _separate(document: Node, topic: str, verb: str, operation: Node) -> None:
    channel = document["channels"][_camel(topic)]
    for message in list(channel["messages"])[1:]:
        own = f"{_camel(topic)}{message[0].upper()}{message[1:]}"
        document["channels"][own] = channel | {"messages": {message: channel["messages"].pop(message)}}
        document["operations"][f"{verb}{own[0].upper()}{own[1:]}"] = operation | {"channel": _ref("channels", own)}


def _title(event_type: str) -> str:
    title: str = event_schemas()[event_type]["title"]
    return title


def _yaml(document: Node) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _document() -> Node:
    topics = [spec for name in PUBLIC for spec in load_topics() if spec.name == name]
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "leadart: pictures for articles",
            "version": "1.0.0",
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"house": _server()},
        "channels": {_camel(spec.name): _channel(spec) for spec in topics},
        "operations": {
            "takeRequests": _take(names.REQUESTED),
            "takeBackfill": _take(names.BACKFILL),
            "announceOutcomes": _announce(names.OUTCOME),
            "announceProgress": _announce(names.PROGRESS),
        },
        "components": {
            "messages": {_message_name(event_type): _message(event_type) for event_type in SUMMARIES},
            "messageTraits": {"cloudEvent": _trait()},
        },
    }


def _server() -> Node:
    bootstrap = {"default": "127.0.0.1:9092", "description": "LEADART_KAFKA__BOOTSTRAP_SERVERS"}
    return {
        "host": "{bootstrap}",
        "protocol": "kafka",
        "description": "Your Kafka cluster.",
        "variables": {"bootstrap": bootstrap},
        "bindings": {"kafka": BINDING},
    }


def _channel(spec: TopicSpec) -> Node:
    settings: Node = {name: _setting(name, spec.config[name]) for name in TOPIC_SETTINGS}
    return {
        "address": spec.name,
        "description": spec.description,
        "servers": [_ref("servers", "house")],
        "messages": {_message_name(kind): _ref("components", "messages", _message_name(kind)) for kind in spec.types},
        "bindings": {"kafka": {"topic": spec.name, "topicConfiguration": settings, **BINDING}},
    }


def _setting(name: str, text: str) -> list[str] | int:
    return text.split(",") if name == "cleanup.policy" else int(text)


def _take(topic: str) -> Node:
    return {
        "action": "receive",
        "channel": _ref("channels", _camel(topic)),
        "summary": "leadart consumes requests and answers each with one outcome.",
        "bindings": {"kafka": {"groupId": {"type": "string", "default": "leadart"}, **BINDING}},
        "reply": {"channel": _ref("channels", _camel(names.OUTCOME))},
    }


def _announce(topic: str) -> Node:
    return {
        "action": "send",
        "channel": _ref("channels", _camel(topic)),
        "summary": "leadart publishes; a CMS subscribes with isolation.level=read_committed.",
    }


def _message(event_type: str) -> Node:
    short = _short(event_type)
    node: Node = {
        "name": event_type,
        "title": short,
        "summary": SUMMARIES[event_type],
        "contentType": "application/json",
        "headers": {"type": "object", "properties": {"ce_type": {"type": "string", "const": event_type}}},
        "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": {"$ref": f"./events/article.{short}.v1.json"}},
        "bindings": {"kafka": {"key": {"type": "string", "pattern": ARTICLE_ID_PATTERN}, **BINDING}},
        "traits": [_ref("components", "messageTraits", "cloudEvent")],
        "examples": [_example(event_type)],
    }
    if event_type not in names.REQUESTS:
        node["correlationId"] = {
            "description": "The request's CloudEvents id.",
            "location": "$message.payload#/request_id",
        }
    return node


def _trait() -> Node:
    text = {"type": "string", "minLength": 1}
    return {
        "headers": {
            "type": "object",
            "description": "CloudEvents 1.0 in Kafka's binary mode; header values are UTF-8.",
            "required": ["content-type", "ce_specversion", "ce_id", "ce_source", "ce_type"],
            "properties": {
                "content-type": text | {"examples": ["application/json"]},
                "ce_specversion": {"type": "string", "const": "1.0"},
                "ce_id": text | {"description": "Identifies the event, together with ce_source."},
                "ce_source": text | {"description": "The event's producer, a URI reference."},
                "ce_type": text,
                "ce_subject": text | {"description": "The article id."},
                "ce_time": text | {"format": "date-time"},
                "ce_dataschema": text | {"format": "uri", "description": "The `$id` of the payload's schema."},
                "ce_partitionkey": text | {"description": "The article id, like the record key."},
                "ce_correlationid": text | {"description": "Identifies the whole flow; copied to the outcome."},
                "ce_causationid": text | {"description": "On outcomes: the request's id."},
                "ce_expirytime": text
                | {"format": "date-time", "description": "On requests: when the picture is no longer needed."},
                "ce_traceparent": text | {"description": "W3C trace context; copied to the outcome."},
            },
        }
    }


def _example(event_type: str) -> Node:
    folder = files("schemas").joinpath("examples", _short(event_type), "v1")
    golden = {entry.name.removesuffix(".json"): entry.read_bytes() for entry in folder.iterdir()}
    shortest = min(golden, key=lambda name: (len(golden[name]), name))
    event = read([("content-type", ENVELOPE_MEDIA_TYPE.encode())], golden[shortest])
    headers, _ = write(event)
    return {
        "name": shortest,
        "headers": {name: value.decode() for name, value in headers},
        "payload": event.data,
    }


def _short(event_type: str) -> str:
    return event_type.removeprefix("org.leadart.article.").removesuffix(".v1")


def _message_name(event_type: str) -> str:
    return _camel(_short(event_type))


def _camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(part.title() for part in rest)


def _ref(*path: str) -> Node:
    return {"$ref": "#/" + "/".join(path)}


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        """Write everything in full: anchors are hard to read."""
        del data
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)
