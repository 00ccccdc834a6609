"""`leadart replay`: process past requests again."""

from consumer.cli.replay.command import commands

__all__ = ["commands"]
