"""Benchmarks: the product against the conventional floor, in one run on one machine."""
