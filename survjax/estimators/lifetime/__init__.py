"""Estimators of one lifetime for all units."""
