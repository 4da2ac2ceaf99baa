"""What a request for a prediction may hold, checked before MONAI Label sees it."""

from __future__ import annotations

import json

from fastapi import Request

from bundle.errors import InputError

UNUSED = {"client_id"}  # MONAI Label's own client sends it


async def check_infer_request(request: Request) -> None:
    """Refuse what this app does not do, instead of passing over it.

    Raises:
        InputError: no image, an upload, a session, another output than JSON, or parameters.
    """
    query = request.query_params
    if not query.get("image"):
        raise InputError("image: found none, expected the id of a study, as GET /datastore/ lists them")
    if query.get("session_id"):
        raise InputError("session_id: found a session, expected none: name a study by image=ID")
    if query.get("output", "json") not in ("json", "all"):
        raise InputError("output: expected json: the answer is a number, not an image")
    for name, value in (await request.form()).multi_items():
        if name != "params" or not isinstance(value, str):
            raise InputError("body: found an upload or an unknown field, expected none: images lie in the folder")
        if set(_parameters(value or "{}")) - UNUSED:
            raise InputError("params: found some, expected none: this model has no options")


def _parameters(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("params: found no JSON, expected an empty object: {}") from error
    if not isinstance(found, dict):
        raise InputError("params: found no object, expected an empty one: {}")
    return found
