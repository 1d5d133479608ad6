"""One pass, every head: designs, backbones, hidden states, poolings."""
