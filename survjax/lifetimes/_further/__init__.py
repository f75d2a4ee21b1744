"""Families of other shapes: first passages, powers of a Weibull, hazards in pieces."""
