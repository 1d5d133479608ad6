"""``python -m embedlab`` is the ``embedlab`` command."""

import sys


def main() -> None:
    """The entry point; the command is imported here, so that ^C during the imports ends it too."""
    try:
        from embedlab.cli.commands import main as command

        command()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
