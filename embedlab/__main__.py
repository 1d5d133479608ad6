"""``python -m embedlab`` is the ``embedlab`` command."""

from embedlab.cli import main

main()
