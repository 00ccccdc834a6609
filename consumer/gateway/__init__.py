"""The HTTP gateway: requests in, outcomes out, and the desk where editors choose. Stateless over Kafka."""
