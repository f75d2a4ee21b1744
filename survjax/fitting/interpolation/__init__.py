"""Sums over many rows from values at few times: exact to rounding where hazards are smooth."""
