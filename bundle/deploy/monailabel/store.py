"""The studies folder as MONAI Label's datastore: it lists, and refuses whatever would write."""

from __future__ import annotations

from typing import Any, NoReturn

from monailabel.interfaces.datastore import Datastore

from bundle.deploy.monailabel.studies import Studies
from bundle.errors import InputError


class ReadOnlyStore(Datastore):
    """What MONAI Label's interface asks for. No method returns a path, so none can reach a client.

    Args:
        studies: the folder's studies.
    """

    def __init__(self, studies: Studies) -> None:
        self._studies = studies

    def name(self) -> str:
        return "studies"

    def description(self) -> str:
        return "Eyes with an OCT volume, a fundus photograph, or both"

    def list_images(self) -> list[str]:
        return list(self._studies.all())

    def status(self) -> dict[str, Any]:
        """What `GET /datastore/` and `GET /info/` show: how many studies there are, and their ids."""
        images = self.list_images()
        return {"total": len(images), "completed": 0, "label_tags": {}, "images": images}

    def json(self) -> dict[str, Any]:
        """What `GET /datastore/?output=all` shows: each study with its modalities, and its eye where names tell it."""
        objects = {
            name: {"image": {"info": {"modalities": study.modalities, "eye": study.eye}}, "labels": {}}
            for name, study in self._studies.all().items()
        }
        return {"name": self.name(), "description": self.description(), "objects": objects}

    def get_unlabeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        return self.list_images()

    # ---- there are no labels, and no image leaves the server ---------------------------------------------------------

    def datalist(self) -> list[dict[str, Any]]:
        return []

    def get_labeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        return []

    def get_labels_by_image_id(self, image_id: str) -> dict[str, str]:
        return {}

    def get_label_by_image_id(self, image_id: str, tag: str) -> str:
        return ""

    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]:
        return {}

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        return {}

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        return ""

    def get_image_uri(self, image_id: str) -> str:
        return ""

    def get_image(self, image_id: str, params: Any = None) -> None:
        return None

    def get_label(self, label_id: str, label_tag: str, params: Any = None) -> None:
        return None

    def refresh(self) -> None:
        """Nothing is kept that could be stale."""

    # ---- nothing is written ------------------------------------------------------------------------------------------

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise InputError("datastore: found a change, expected none: this server only reads")

    set_name = set_description = add_image = remove_image = save_label = remove_label = _refuse
    update_image_info = update_label_info = get_dataset_archive = _refuse
