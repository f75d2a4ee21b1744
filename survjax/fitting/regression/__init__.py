"""How a regression is fitted: starts, iterations, what a maximum must meet; mixtures."""
