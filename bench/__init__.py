"""Benchmarks of edgelake against the least that the machine allows."""
