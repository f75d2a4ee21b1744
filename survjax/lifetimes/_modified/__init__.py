"""Lifetimes that wrap a lifetime: each changes one thing, and leaves the rest to its base."""
