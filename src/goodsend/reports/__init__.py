"""Reports: pure sums over rows that the store reads. Quality, workload, transparency."""
