"""A mixture of Weibulls whose parameters a network gives."""
