"""Which package decodes a transfer syntax: each permissively licensed, and none that ends the process on damage."""

from __future__ import annotations

from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import UID, UID_dictionary

from bundle.data.readers.dicom import jpeg, rle
from bundle.errors import InputError

# (package to install, pydicom's name of what uses it), by DICOM PS3.6, table A-1. Left to choose, pydicom tries GDCM
# first, which on damaged JPEG and JPEG 2000 aborts the process, and then whatever else is installed.
_JPEG = "1.2.840.10008.1.2.4"
_OPENJPEG = ("pylibjpeg-openjpeg", "pylibjpeg")
_PACKAGES = {
    f"{_JPEG}.50": ("pillow", "pillow"),
    f"{_JPEG}.80": ("pyjpegls", "pyjpegls"),
    f"{_JPEG}.81": ("pyjpegls", "pyjpegls"),
    **{f"{_JPEG}.{number}": _OPENJPEG for number in (90, 91, 201, 202, 203)},
    **dict.fromkeys((*jpeg.DECODER_DEPENDENCIES, *rle.DECODER_DEPENDENCIES), ("imagecodecs", "imagecodecs")),
}

for _plugin in (jpeg, rle):
    for _syntax in _plugin.DECODER_DEPENDENCIES:
        if "imagecodecs" not in get_decoder(_syntax).available_plugins:
            get_decoder(_syntax).add_plugin("imagecodecs", (_plugin.__name__, _plugin.decode_frame.__name__))


def decoder_of(syntax: UID) -> tuple[Decoder, str]:
    """pydicom's decoder of a transfer syntax and the name of the plugin to use with it, "" where it needs none.

    Raises InputError for a transfer syntax that is not read, and one whose package is not installed.
    """
    name = syntax_name(syntax)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise InputError(f"found pixels in {name}, which is not read: export without compression") from error
    package, plugin = _PACKAGES.get(syntax, ("", ""))
    if plugin and plugin not in decoder.available_plugins:
        raise InputError(f"found pixels in {name}, which needs a package: `pip install {package}`, or export without")
    return decoder, plugin


def syntax_name(syntax: UID) -> str:
    """As the standard calls a transfer syntax; a UID that a file made up is not repeated."""
    return syntax.name if syntax in UID_dictionary else "an unknown compression"
