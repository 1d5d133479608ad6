"""The Space's entry: read the config, build the app, launch."""

from embedlab.cli.commands import app

if __name__ == "__main__":
    app(["serve"])
