"""The Kafka adapter: the only importer of aiokafka. `client` opens connections, `bus` is what delivery works with."""
