"""What comes in: corpora, files, data sets of the Hub, training pairs."""
