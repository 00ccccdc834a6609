"""The bucket policy that makes pictures public."""

import json
from typing import Any

from consumer.storage.manifest import PICTURES

_EVERYBODY = ("*", {"AWS": "*"}, {"AWS": ["*"]})


def public_policy(bucket: str) -> str:
    """Return the bucket policy (JSON) that lets everybody read pictures, and nothing else."""
    return json.dumps({"Version": "2012-10-17", "Statement": [_statement(bucket)]})


def is_public(policy: str, bucket: str) -> bool:
    """Return whether a policy (JSON) contains the statement that lets everybody read pictures."""
    try:
        statements = json.loads(policy)["Statement"]
    except (ValueError, KeyError, TypeError):
        return False
    ours = _statement(bucket)
    return any(
        isinstance(one, dict)
        and one.get("Effect") == ours["Effect"]
        and one.get("Principal") in _EVERYBODY
        and ours["Action"] in _as_list(one.get("Action"))
        and ours["Resource"] in _as_list(one.get("Resource"))
        and not one.get("Condition")
        for one in _as_list(statements)
    )


def _statement(bucket: str) -> dict[str, str]:
    return {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/{PICTURES}/*",
    }


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
