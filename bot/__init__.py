"""Regulars: a self-hosted two-way SMS loyalty bot."""

__version__ = "0.1.0"
