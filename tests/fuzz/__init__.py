"""Thousands of malformed records for a real worker on real servers: `python -m tests.fuzz --records 12000`."""
