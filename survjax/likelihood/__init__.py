"""How rows weigh lifetimes: likelihoods with their derivatives, with and without columns."""
