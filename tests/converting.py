"""Films changed by ffmpeg itself."""

import subprocess

from stylegan_cli.media.ffmpeg import ffmpeg


def convert(source, to, *before, after=()):
    """Writes another film; options for what is read stand before, those for what is written after."""
    command = [ffmpeg(), "-y", "-loglevel", "error", *before, "-i", f"file:{source}", *after, f"file:{to}"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return to
