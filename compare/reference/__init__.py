"""A torch module evaluated: every value of it, and what rounding may do to each. Judges nothing."""
