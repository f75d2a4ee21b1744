"""Pictures of posterior draws."""
