"""Compiled programs that are kept from one process to the next."""
