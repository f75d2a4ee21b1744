"""A vector of parameters: whose each entry is, what people call it, and what may move."""
