"""Cgroup v1 and hybrid: one directory in each hierarchy."""
