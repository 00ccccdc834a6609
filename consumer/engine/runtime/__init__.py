"""The engine process: everything that runs on the GPU, and the only importer of torch."""
