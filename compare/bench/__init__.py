"""How fast both stacks are here: beside naive loops, and beside what the machine can do."""
