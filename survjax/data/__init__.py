"""What was observed: rows with bounds, weights and truncation, and how they were recorded."""
