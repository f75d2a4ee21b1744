"""What fits of mixtures begin with."""
