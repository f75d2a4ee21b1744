"""Bounds of many fits at once."""
