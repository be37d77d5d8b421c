"""How much written texts have in common with their references, over a whole split."""
