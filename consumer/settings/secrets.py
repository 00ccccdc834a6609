"""Secrets among settings: never shown, and given as a variable or, better, as a file.

Child processes inherit a variable, and `docker inspect` shows it; neither holds for a file, as Kubernetes and systemd
mount one per secret.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError


class SecretMissing(Exception):
    """A secret's file cannot be used; the message names it."""


class WithSecrets(BaseModel):
    """A group of settings with secrets: `x_file` names a file with the secret `x`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _without_file_marks(cls, value: object) -> object:
        """Drop what a file adds to a text that a variable was filled from."""
        return without_file_marks(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if problems := self._read_files() or self.problems():
            raise _validation_error(type(self).__name__, problems)
        return self

    def problems(self) -> Mapping[str, str]:
        """Return what is missing or contradictory: a sentence per setting name."""
        return {}

    def _read_files(self) -> dict[str, str]:
        problems = {}
        for name in type(self).model_fields:
            path, secret = getattr(self, name), name.removesuffix("_file")
            if path is None or secret == name or secret not in type(self).model_fields:
                continue
            if getattr(self, secret) is not None:
                problems[name] = f"{secret.upper()} is set as well; keep one of the two"
                continue
            try:
                setattr(self, secret, SecretStr(read_secret(path)))
            except SecretMissing as missing:
                problems[name] = str(missing)
        return problems


def without_file_marks(text: str) -> str:
    """Return the text without the byte order mark and the line break that editors and shells put around it."""
    return text.removeprefix("\ufeff").rstrip("\r\n")


def read_secret(path: Path) -> str:
    """Return the file's text without its byte order mark and final line break. Raises `SecretMissing`."""
    try:
        secret = without_file_marks(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SecretMissing(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # Not chained: the error carries the bytes.
        raise SecretMissing(f"{path} is not text in UTF-8") from None
    if "\0" in secret:  # UTF-16 without a byte order mark, which passes for UTF-8
        raise SecretMissing(f"{path} is not text in UTF-8")
    if not secret.strip():
        raise SecretMissing(f"{path} is empty")
    return secret


def _validation_error(title: str, problems: Mapping[str, str]) -> ValidationError:
    """Return an error like pydantic's own, naming each setting; it shows no value."""
    return ValidationError.from_exception_data(
        title,
        [
            InitErrorDetails(
                type=PydanticCustomError("setting", "{problem}", {"problem": text}), loc=(name,), input=None
            )
            for name, text in problems.items()
        ],
        hide_input=True,
    )
