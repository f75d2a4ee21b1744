"""Families of one standardized number on time itself: Gumbel, normal, logistic."""
