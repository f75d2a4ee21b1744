"""Fits to data that need not fit into memory."""
