"""Modules that the suites and the benchmarks share."""
