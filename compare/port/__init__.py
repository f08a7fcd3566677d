"""A network or a function written by hand, judged against the torch module that is meant."""
