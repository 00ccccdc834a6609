"""Checks the answers of a test's calls against the OpenAPI document."""

from __future__ import annotations

import re
from typing import Any

import httpx2
from fastapi import FastAPI
from jsonschema import Draft202012Validator


class DescribedAnswers:
    """The document of an application, by operation."""

    def __init__(self, app: FastAPI) -> None:
        self.document: dict[str, Any] = app.openapi()
        self._paths = {re.compile(re.sub(r"\{\w+\}", "[^/]+", path)): path for path in self.document["paths"]}

    async def check(self, response: httpx2.Response) -> None:
        """Fail if an operation's answer is not as described; what is no operation of the document may be anything."""
        path = next(
            (path for pattern, path in self._paths.items() if pattern.fullmatch(response.request.url.path)), None
        )
        operation = self.document["paths"].get(path, {}).get(response.request.method.lower())
        if operation is None:
            return
        told = operation["responses"].get(str(response.status_code))
        assert told is not None, f"{operation['operationId']} does not tell of {response.status_code}"
        content = told.get("content")
        media_type = response.headers.get("content-type", "").partition(";")[0]
        if content is None or response.status_code == 304:
            return
        assert media_type in content, f"{operation['operationId']} does not tell of {media_type}"
        if media_type.endswith("json"):
            await response.aread()
            self.validate(content[media_type]["schema"], response.json())

    def validate(self, schema: dict[str, Any], value: object) -> None:
        """Fail if a value does not fit a schema of the document."""
        whole = {**schema, "components": self.document["components"]}
        found = [
            f"{error.json_path}: {error.message[:300]}" for error in Draft202012Validator(whole).iter_errors(value)
        ]
        assert found == []
