"""What of the benchmarks needs torch: the sides, counted FLOPs, the matrix peak, the full-size model."""
