"""`leadart dead-letters`: what became of requests that failed for good."""

from consumer.cli.dead_letters.command import commands

__all__ = ["commands"]
