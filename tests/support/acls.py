"""The ACLs in the commands of `docs/operations/access.md`, and a way to grant them."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Schema, String

DOCUMENT = Path(__file__).parents[2] / "docs/operations/access.md"

_RESOURCES = {"topic": 2, "group": 3, "cluster": 4, "transactional-id": 5}
_PATTERNS = {"literal": 3, "prefixed": 4}
_OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Describe": 8, "DescribeConfigs": 10}
_DENY, _ALLOW = 2, 3


@dataclass(frozen=True)
class Acl:
    """A user may do one operation on one resource, or on all whose names start with `name`."""

    user: str
    operation: str
    resource: str
    name: str
    pattern: str

    def __str__(self) -> str:
        return f"{self.user}: {self.operation} {self.resource} {self.name}"


def documented() -> list[Acl]:
    """Return every ACL that the page's commands grant. Raises argparse's error for an unknown option."""
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
    options = vars(parser.parse_args(shlex.split(command)))
    for resource in _RESOURCES:
        for name in options[resource.replace("-", "_")]:
            for operation in options["operation"]:
                user = options["allow_principal"].removeprefix("User:")
                yield Acl(user, operation, resource, name, options["resource_pattern_type"])


def lacking(acl: Acl) -> str:
    """Return the name of the user who has all of the documented user's ACLs but this one."""
    return re.sub(r"[^A-Za-z0-9]+", "-", str(acl)).lower()


def with_each_missing(acls: Iterable[Acl]) -> list[Acl]:
    """Return the ACLs, and those of the users who lack one each."""
    acls = list(acls)
    others = [
        replace(kept, user=lacking(missing))
        for missing in acls
        for kept in acls
        if kept.user == missing.user and kept != missing
    ]
    return [*acls, *others]


def revoked(acl: Acl) -> str:
    """Return the name of the user whose ACL may be revoked later."""
    return f"{lacking(acl)}-later"


def revocable(acls: Iterable[Acl]) -> list[Acl]:
    """Return all ACLs of the users who each may lose one later."""
    acls = list(acls)
    return [replace(kept, user=revoked(acl)) for acl in acls for kept in acls if kept.user == acl.user]


async def grant(admin: AIOKafkaAdminClient, acls: Iterable[Acl], *, allow: bool = True) -> None:
    """Grant ACLs; without `allow`, deny them, whatever else is granted."""
    answer: Any = await admin._send_to_controller(_CreateAcls(acls, _ALLOW if allow else _DENY))
    refused = [message for code, message in answer.results if code]
    assert not refused, refused


class _CreateAclsResponseV1(Response):  # type: ignore[misc]  # aiokafka's classes are untyped
    API_KEY = 30
    API_VERSION = 1
    SCHEMA = Schema(("throttle_time_ms", Int32), ("results", Array(("error_code", Int16), ("error_message", String()))))


class _CreateAclsRequestV1(RequestStruct):  # type: ignore[misc]  # aiokafka's classes are untyped
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


class _CreateAcls(Request[_CreateAclsRequestV1]):  # type: ignore[misc]  # aiokafka's classes are untyped
    API_KEY = 30

    def __init__(self, acls: Iterable[Acl], permission: int) -> None:
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
            for acl in acls
        ]

    def build(self, request_struct_class: type[_CreateAclsRequestV1]) -> _CreateAclsRequestV1:
        return request_struct_class(self._creations)
