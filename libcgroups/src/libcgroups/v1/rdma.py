"""RDMA: the same files on v1 and v2."""

from __future__ import annotations

from ..rdma import writes

__all__ = ["writes"]
