"""How a lifetime meets data: likelihoods, fits, uncertainty, and what follows."""
