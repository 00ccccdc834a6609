"""Texts that have broken logs, terminals, paths and parsers elsewhere."""

from __future__ import annotations

from random import Random
from typing import Final

CONTROL: Final = (
    "\x00",
    "a\x00b",
    "a\nb",
    'a\r\n{"event": "forged", "level": "info"}',
    "\x07\x08\x0b\x0c",
    "\x1b[2J\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x7f",
    "\x85",
    "\x9b31m",
    "\u2028line\u2029paragraph",
)
UNSEEN: Final = (
    "\u202egnp.exe",
    "\u2066isolate\u2069",
    "\u200b",
    "\ufeffbom",
    "\u00ad",
    "a\u0301" * 60,
    "\U000e0001",
    "\ufdd0",
    "\ufffe",
    "\uffff",
    "\U0010ffff",
)
HALVES: Final = ("\ud800", "\udc00", "a\udfffb", "\udc00\ud800")
PATHS: Final = (
    "../../etc/passwd",
    "..\\..\\windows\\system32",
    "/etc/shadow",
    "%2e%2e%2f%2e%2e%2f",
    "pictures/../manifests/x",
    "file:///etc/passwd",
    "s3://bucket/key",
    "CON",
    "a/b//c/.",
    "~root",
    ".",
    "..",
)
CODE: Final = (
    "%s%n%d{0}{x.__class__}",
    "${jndi:ldap://127.0.0.1/a}",
    "$(id)",
    "`id`",
    "'; drop table articles; --",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "[red]markup[/red]",
    'leadart_up{a="b"} 1\n# HELP x',
    '"\\',
    "null",
    "NaN",
    "文字化け 🏴\u200d☠️",
)
ALL: Final = (*CONTROL, *UNSEEN, *HALVES, *PATHS, *CODE)


def hostile(dice: Random) -> str:
    """Return one of them, at times many times over or beside another."""
    text = dice.choice(ALL)
    match dice.randrange(6):
        case 0:
            return text * dice.randrange(2, 30)
        case 1:
            return text + dice.choice(ALL)
        case _:
            return text
