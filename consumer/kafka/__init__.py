"""Everything that speaks to Kafka, and the only place that imports aiokafka.

Read `owner` first: it is the delivery promise. `ledger` keeps its books, `client` is the wire, `intake` feeds it.
"""
