"""Draws from the posterior of a fit, and whether they can be trusted."""
