"""``python -m embedlab`` is the ``embedlab`` command."""

from embedlab.cli.commands import main

main()
