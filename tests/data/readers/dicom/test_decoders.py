"""Every transfer syntax that is read has a named decoder, and never GDCM, whatever else is installed."""

from __future__ import annotations

import pytest
from pydicom import uid
from pydicom.pixels import get_decoder

from bundle.data.readers.dicom.decoders import decoder_of, syntax_name
from bundle.errors import InputError

COMPRESSED = [
    *(*uid.JPEGTransferSyntaxes, *uid.JPEGLSTransferSyntaxes, uid.JPEG2000Lossless, uid.JPEG2000, uid.RLELossless),
    *(uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K),
]


@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda one: one.keyword)
def test_decoder_is_named_and_there(syntax: uid.UID) -> None:
    decoder, plugin = decoder_of(syntax)
    assert decoder is get_decoder(syntax)
    assert plugin in decoder.available_plugins
    assert plugin != "gdcm"


@pytest.mark.parametrize("syntax", [uid.JPEGLosslessSV1, uid.JPEG2000Lossless, uid.RLELossless])
def test_no_other_takes_its_place(syntax: uid.UID, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, plugin = decoder_of(syntax)
    others = {"gdcm": None, **{name: None for name in decoder.available_plugins if name != plugin}}
    monkeypatch.setattr(decoder, "_available", others)
    with pytest.raises(InputError, match=r"needs a package: `pip install (imagecodecs|pylibjpeg-openjpeg)`"):
        decoder_of(syntax)


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_uncompressed_needs_none(syntax: uid.UID) -> None:
    assert decoder_of(syntax)[1] == ""


def test_unknown_is_not_quoted() -> None:
    assert syntax_name(uid.UID("1.2.3.4711")) == "an unknown compression"
    with pytest.raises(InputError, match="found pixels in an unknown compression, which is not read"):
        decoder_of(uid.UID("1.2.3.4711"))
