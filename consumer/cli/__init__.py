"""The command line: each command reads settings, runs one function, prints, and exits by the result."""

from consumer.cli.root import app, main

__all__ = ["app", "main"]
