"""Fits of lifetimes that wrap lifetimes: where they begin, and where they end at an edge."""
