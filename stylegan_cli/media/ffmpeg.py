"""Where ffmpeg is, which encodes films and decodes music."""

from __future__ import annotations

import imageio_ffmpeg

from stylegan_cli.errors import StyleganError, first_line

# The kinds of films that are read. Lists, which refer to other files, are not among them.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,asf"


def ffmpeg() -> str:
    """The program, for a list of arguments. Raises StyleganError if there is none."""
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (RuntimeError, OSError) as error:
        raise StyleganError(
            f"films and music need ffmpeg, but none was found ({first_line(error)}); install it, or set "
            "IMAGEIO_FFMPEG_EXE"
        ) from None
