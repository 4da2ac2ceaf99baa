"""MONAI dictionary transforms from a manifest's paths to the network's tensors; wired in YAML by `_target_`.

An examination that an eye lacks is a key that its item lacks. Every transform here skips an absent key
(`allow_missing_keys=True` by default, unlike MONAI's); `FillMissingModalityd`, the last of the deterministic ones, puts
a tensor full of NaN in its place, which the random ones pass by and the network recognises.

No superior-inferior flip, on purpose. The two halves are not interchangeable: each maps to the opposite hemifield of
the visual field, disc, vessels and fibre bundles are laid out differently above and below (the rim is thickest
inferiorly), and glaucoma tends to take the inferior bundles first. A flipped eye is an eye that does not exist, with a
label that does not fit it. No nasal-temporal flip either: `OrientToRightEyed` has drawn every eye as a right eye, and
a flip would undo that.

Random transforms draw from their own `self.R` alone, never from torch's or numpy's global generator, and never write
into the tensors they are given.
"""

from bundle.transforms.finish import FillMissingModalityd, RandModalityDropoutd
from bundle.transforms.fundus import ResizeFundusd, StandardizeFundusd
from bundle.transforms.fundus_augment import RandFundusAffined, RandFundusBlurd, RandFundusColord
from bundle.transforms.fundus_light import CorrectIlluminationd
from bundle.transforms.label import LabelToTensord
from bundle.transforms.load import LoadFundusd, LoadOctd
from bundle.transforms.oct_affine import RandOctAffined
from bundle.transforms.oct_augment import RandBScanDropoutd, RandOctContrastd, RandSignalDropd
from bundle.transforms.oct_grid import ResampleToGridd
from bundle.transforms.oct_intensity import StandardizeOctIntensityd
from bundle.transforms.oct_speckle import RandSpeckled
from bundle.transforms.orient import OrientToRightEyed
from bundle.transforms.predictions import SplitSubsetsd

__all__ = [
    "CorrectIlluminationd",
    "FillMissingModalityd",
    "LabelToTensord",
    "LoadFundusd",
    "LoadOctd",
    "OrientToRightEyed",
    "RandBScanDropoutd",
    "RandFundusAffined",
    "RandFundusBlurd",
    "RandFundusColord",
    "RandModalityDropoutd",
    "RandOctAffined",
    "RandOctContrastd",
    "RandSignalDropd",
    "RandSpeckled",
    "ResampleToGridd",
    "ResizeFundusd",
    "SplitSubsetsd",
    "StandardizeFundusd",
    "StandardizeOctIntensityd",
]
