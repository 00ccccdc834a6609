"""Replaying: requests that lie in a lane are published once more, into the backfill lane, under running workers.

A replay is named by a digest of what it is: source range, filters, options. Each record that it publishes says so, and
where it came from, in the headers. So what was published already is read from the lane itself: a run first fences the
run before it and settles what that left open, then reads the lane, and only then writes.
"""
