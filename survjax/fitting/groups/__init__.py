"""Many sets of rows at once, each with a maximum of its own."""
