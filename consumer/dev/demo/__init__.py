"""`leadart demo` and `leadart dev`: the whole worker on real servers of its own, used by a simulated newsroom.

`demo` is both a showcase and a check: it publishes an edition as a CMS does, reads outcomes as a read-committed
subscriber does, fetches every announced picture, and reports whether each request got the expected outcome.
"""
