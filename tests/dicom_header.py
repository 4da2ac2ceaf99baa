"""The parts of a synthetic DICOM header that tests do not vary; its patient is a canary to look for in messages."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

CANARY = "CANARY4711"


def item(**elements: Any) -> Dataset:
    """A dataset with these elements."""
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def code(value: str, scheme: str, meaning: str) -> list[Dataset]:
    """A sequence of one coded concept."""
    return [item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def header(sop_class: str, laterality: str | None) -> Dataset:
    """Patient, study, series, equipment and acquisition: what every file has."""
    dataset = item(
        SOPClassUID=sop_class,
        SOPInstanceUID=generate_uid(),
        StudyInstanceUID=generate_uid(),
        SeriesInstanceUID=generate_uid(),
        PatientName=f"{CANARY}^Name",
        PatientID=CANARY,
        PatientBirthDate="19500101",
        PatientSex="F",
        StudyDate="20260102",
        StudyTime="030405",
        StudyID=CANARY[:8],
        AccessionNumber=CANARY,
        ReferringPhysicianName=f"{CANARY}^Doctor",
        Modality="OPT",
        SeriesNumber=1,
        InstanceNumber=1,
        ContentDate="20260102",
        ContentTime="030405",
        AcquisitionDateTime="20260102030405",
        Manufacturer="Acme",
        ManufacturerModelName="Scanner 3",
        DeviceSerialNumber=CANARY,
        SoftwareVersions="1",
        PatientOrientation=None,
    )
    if laterality is not None:
        dataset.ImageLaterality = laterality
    return dataset


def add_opt_modules(dataset: Dataset) -> None:
    """What else the standard wants of an Ophthalmic Tomography file."""
    dimension = generate_uid()
    del dataset.PatientOrientation
    dataset.DimensionOrganizationSequence = [item(DimensionOrganizationUID=dimension)]
    dataset.DimensionIndexSequence = [
        item(DimensionIndexPointer=0x00209056, FunctionalGroupPointer=0x00209111, DimensionOrganizationUID=dimension),
        item(DimensionIndexPointer=0x00209057, FunctionalGroupPointer=0x00209111, DimensionOrganizationUID=dimension),
    ]
    dataset.update(
        item(
            ImageType=["ORIGINAL", "PRIMARY"],
            AcquisitionDuration=1.0,
            AcquisitionNumber=1,
            AcquisitionContextSequence=[],
            PresentationLUTShape="IDENTITY",
            LossyImageCompression="00",
            BurnedInAnnotation="NO",
            AnatomicRegionSequence=code("81745001", "SCT", "Eye"),
            OphthalmicAnatomicReferencePointXCoordinate=None,
            OphthalmicAnatomicReferencePointYCoordinate=None,
            AxialLengthOfTheEye=None,
            HorizontalFieldOfView=None,
            RefractiveStateSequence=[],
            EmmetropicMagnification=None,
            IntraOcularPressure=None,
            PupilDilated=None,
            DetectorType="CCD",
            LightPathFilterTypeStackCodeSequence=[],
            AcquisitionDeviceTypeCodeSequence=code("392012008", "SCT", "Optical Coherence Tomography Scanner"),
            IlluminationWaveLength=840.0,
            IlluminationPower=700.0,
            IlluminationBandwidth=50.0,
            DepthSpatialResolution=6.0,
            MaximumDepthDistortion=1.0,
            AlongScanSpatialResolution=15.0,
            MaximumAlongScanDistortion=1.0,
            AcrossScanSpatialResolution=15.0,
            MaximumAcrossScanDistortion=1.0,
        )
    )
