"""Modules that the suites of tests/relay, tests/deltachat and the benchmarks share."""
