"""Mixtures of Weibulls in many groups: their searches as arrays."""
