"""Replay: publish requests of a lane again to the backfill lane, while workers run.

A replay's id is a digest of its specification: source range, filters, options. Each record that it publishes carries
the id and the original's coordinates in its headers, so the lane itself records what has been published: a run first
fences the previous run and settles what that left open, then reads the lane, and only then writes.
"""
