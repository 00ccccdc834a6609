"""`leadart demo` and `leadart dev`: the whole worker on real servers of its own, with a newsroom around it.

`demo` is at once a show and a check: it publishes an edition as a CMS would, looks on as a read-committed subscriber
would, fetches every announced picture, and says whether each request got the outcome it should.
"""
