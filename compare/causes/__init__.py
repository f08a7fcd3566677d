"""The catalogue of mistakes that are known: a row a family, each of which can be replayed."""
