"""The Compare tab: every design on the texts at hand."""
