"""How a design is learned."""
