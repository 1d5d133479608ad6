"""The Space's entry: read the config, build the app, launch."""

from embedlab.ui import launch

if __name__ == "__main__":
    launch()
