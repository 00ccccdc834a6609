"""Benchmarks: leadart and its alternatives, side by side in one run on one machine."""
