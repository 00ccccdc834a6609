"""What developers run: demo, embedded servers, benchmarks, simulation. Left out of the production image."""
