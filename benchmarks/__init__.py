"""Benchmark scripts: time and memory of each stage, compared with a lower bound on this machine."""
