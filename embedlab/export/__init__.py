"""A trained model leaves, and comes back."""
