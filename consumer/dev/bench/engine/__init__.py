"""What of the benchmarks needs torch: contestants, counted FLOPs, the matrix peak, the full-size model."""
