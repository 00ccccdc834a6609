"""Benchmarks: leadart beside what one would write without it, side by side in one run on one machine."""
