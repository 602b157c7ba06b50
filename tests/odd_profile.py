"""ICC profiles that are unlike sRGB: red and green change places, colours or grey are linear."""

import re
import struct

from PIL import ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _swapped():
    profile = bytearray(SRGB.replace(b"sRGB", b"test").replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be")))
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


def _linear():
    """Of colours, with a name in which "sRGB" stands, as editors give it."""
    profile = bytearray(SRGB.replace("built-in".encode("utf-16-be"), "linear! ".encode("utf-16-be")))
    for place in (match.start() for match in re.finditer(b"[rgb]TRC", SRGB)):
        (at,) = struct.unpack_from(">L", SRGB, place + 4)
        struct.pack_into(">4sLHHl", profile, at, b"para", 0, 0, 0, 65536)  # a gamma of 1, in units of 1/65536
    return bytes(profile)


def _linear_grey():
    white = 63190, 65536, 54061  # D50, in units of 1/65536
    tags = {
        b"kTRC": struct.pack(">4sLLH2x", b"curv", 0, 1, 256),  # a gamma of 1, in units of 1/256
        b"wtpt": struct.pack(">4sL3l", b"XYZ ", 0, *white),
    }
    table, end = struct.pack(">L", len(tags)), 132 + 12 * len(tags)
    for name, value in tags.items():
        table += struct.pack(">4sLL", name, end, len(value))
        end += len(value)
    words = b"mntr", b"GRAY", b"XYZ ", b"acsp"
    header = struct.pack(">L4xL4s4s4s12x4s24xL3l48x", end, 0x02400000, *words, 0, *white)
    return header + table + b"".join(tags.values())


SWAPPED, LINEAR, LINEAR_GREY = _swapped(), _linear(), _linear_grey()
