"""Cox's log partial likelihood: its terms, ties among them, its derivatives, its penalty."""
