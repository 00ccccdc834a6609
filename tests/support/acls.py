"""The rights that `docs/operations/access.md` grants, read from its own commands, and a way to grant them."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Schema, String

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aiokafka.admin import AIOKafkaAdminClient

DOCUMENT = Path(__file__).parents[2] / "docs/operations/access.md"

_RESOURCES = {"topic": 2, "group": 3, "cluster": 4, "transactional-id": 5}
_PATTERNS = {"literal": 3, "prefixed": 4}
_OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Describe": 8, "DescribeConfigs": 10}
_DENY, _ALLOW = 2, 3


@dataclass(frozen=True)
class Acl:
    """One right: that a user may do one thing with one resource, or with all whose names begin like this."""

    user: str
    operation: str
    resource: str
    name: str
    pattern: str

    def __str__(self) -> str:
        return f"{self.user}: {self.operation} {self.resource} {self.name}"


def documented() -> list[Acl]:
    """Return every single right that the document's commands grant. Raises what argparse does at a wrong option."""
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    commands = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [acl for command in commands for acl in _granted_by(command)]


def _granted_by(command: str) -> Iterator[Acl]:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("tool", choices=["kafka-acls.sh"])
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--allow-principal", required=True)
    parser.add_argument("--operation", action="append", choices=_OPERATIONS, required=True)
    parser.add_argument("--resource-pattern-type", choices=_PATTERNS, default="literal")
    parser.add_argument("--cluster", action="append_const", const="kafka-cluster", default=[])
    for resource in ("topic", "group", "transactional-id"):
        parser.add_argument(f"--{resource}", action="append", default=[])
    told = vars(parser.parse_args(shlex.split(command)))
    for resource in _RESOURCES:
        for name in told[resource.replace("-", "_")]:
            for operation in told["operation"]:
                user = told["allow_principal"].removeprefix("User:")
                yield Acl(user, operation, resource, name, told["resource_pattern_type"])


def lacking(right: Acl) -> str:
    """Return the name of the user who has every right of the documented one but this."""
    return re.sub(r"[^A-Za-z0-9]+", "-", str(right)).lower()


def with_each_missing(rights: Iterable[Acl]) -> list[Acl]:
    """Return the rights, and those of the users who lack one each."""
    rights = list(rights)
    others = [
        replace(kept, user=lacking(missing))
        for missing in rights
        for kept in rights
        if kept.user == missing.user and kept != missing
    ]
    return [*rights, *others]


def revoked(right: Acl) -> str:
    """Return the name of the user from whom the documented right may be taken away later."""
    return f"{lacking(right)}-later"


def revocable(rights: Iterable[Acl]) -> list[Acl]:
    """Return all rights of the users from whom one each may be taken away later."""
    rights = list(rights)
    return [replace(kept, user=revoked(right)) for right in rights for kept in rights if kept.user == right.user]


async def grant(admin: AIOKafkaAdminClient, rights: Iterable[Acl], *, allow: bool = True) -> None:
    """Make Kafka's authorizer know the rights; or, without `allow`, that they are denied, whatever else is granted."""
    answer: Any = await admin._send_to_controller(_CreateAcls(rights, _ALLOW if allow else _DENY))
    refused = [message for code, message in answer.results if code]
    assert not refused, refused


class _CreateAclsResponseV1(Response):  # type: ignore[misc]  # aiokafka's classes are untyped
    API_KEY = 30
    API_VERSION = 1
    SCHEMA = Schema(("throttle_time_ms", Int32), ("results", Array(("error_code", Int16), ("error_message", String()))))


class _CreateAclsRequestV1(RequestStruct):  # type: ignore[misc]  # likewise
    API_KEY = 30
    API_VERSION = 1
    RESPONSE_TYPE = _CreateAclsResponseV1
    SCHEMA = Schema(
        (
            "creations",
            Array(
                ("resource_type", Int8),
                ("resource_name", String()),
                ("resource_pattern_type", Int8),
                ("principal", String()),
                ("host", String()),
                ("operation", Int8),
                ("permission_type", Int8),
            ),
        )
    )


class _CreateAcls(Request[_CreateAclsRequestV1]):  # type: ignore[misc]  # likewise
    API_KEY = 30

    def __init__(self, rights: Iterable[Acl], permission: int) -> None:
        self._creations = [
            (
                _RESOURCES[acl.resource],
                acl.name,
                _PATTERNS[acl.pattern],
                f"User:{acl.user}",
                "*",
                _OPERATIONS[acl.operation],
                permission,
            )
            for acl in rights
        ]

    def build(self, request_struct_class: type[_CreateAclsRequestV1]) -> _CreateAclsRequestV1:
        return request_struct_class(self._creations)
