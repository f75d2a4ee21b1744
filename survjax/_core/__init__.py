"""Mathematics and data structures that know nothing of survival models."""
