"""Wherry: rootless, daemonless containers for scientific computing."""

__version__ = "0.1.0"
