"""One deployment with many users."""
