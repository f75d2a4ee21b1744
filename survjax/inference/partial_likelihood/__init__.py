"""Proportional hazards without a baseline: Cox's partial likelihood and what follows from it."""
