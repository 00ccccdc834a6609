"""The engine's process: everything that runs on the GPU, and with `weights` the only importer of torch."""
