"""Cgroups that belong to systemd: transient scopes and slices."""
