"""Exactly one outcome for each request: the delivery protocol, without a Kafka client, a GPU or a store.

Read `shard_owner` first. `poll_loop` feeds it, `offset_tracker` knows what may be committed, `latest_wins` which
request counts, `engine_exposure` whom to blame for a death, `restore` what an earlier owner left. `ports` is what it
needs of a bus, `in_flight` what it needs of a handler.
"""
