"""Any number of texts under many designs: read as a stream, written in parts, resumable."""
