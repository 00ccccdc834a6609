"""`leadart replay`: requests of before, published once more."""

from consumer.cli.replay.command import replay

__all__ = ["replay"]
