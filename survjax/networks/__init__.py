"""Networks as parameters of lifetimes: layers, training, ensembles."""
