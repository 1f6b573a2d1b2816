"""Cgroup v2: one tree."""
