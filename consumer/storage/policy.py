"""The bucket policy that opens the pictures to everybody, and whether a bucket has it."""

from __future__ import annotations

import json
from typing import Any

from consumer.storage.manifest import PICTURES

_EVERYBODY = ("*", {"AWS": "*"}, {"AWS": ["*"]})


def public_policy(bucket: str) -> str:
    """Return the bucket policy (JSON) that lets everybody read the pictures and nothing else."""
    return json.dumps({"Version": "2012-10-17", "Statement": [_statement(bucket)]})


def is_public(policy: str, bucket: str) -> bool:
    """True if a policy (JSON) has the statement that lets everybody read the pictures, whatever else it says."""
    try:
        statements = json.loads(policy)["Statement"]
    except (ValueError, KeyError, TypeError):
        return False
    wanted = _statement(bucket)
    return any(
        isinstance(one, dict)
        and one.get("Effect") == wanted["Effect"]
        and one.get("Principal") in _EVERYBODY
        and wanted["Action"] in _listed(one.get("Action"))
        and wanted["Resource"] in _listed(one.get("Resource"))
        and not one.get("Condition")
        for one in _listed(statements)
    )


def _statement(bucket: str) -> dict[str, str]:
    return {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/{PICTURES}/*",
    }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
