"""In-memory twins of what the worker asks of the outer world: shipped, for tests and for capacity planning."""
