"""`leadart replay`: process past requests again."""

from consumer.cli.replay.command import replay

__all__ = ["replay"]
