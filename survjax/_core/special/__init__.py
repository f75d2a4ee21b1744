"""Special functions that JAX lacks, or whose derivatives it lacks or loses digits of."""
