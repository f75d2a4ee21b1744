"""Many fleets at once: a fit for each group of a table."""
