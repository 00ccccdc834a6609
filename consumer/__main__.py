"""`python -m consumer` is `leadart`."""

from consumer.cli import main

main()
