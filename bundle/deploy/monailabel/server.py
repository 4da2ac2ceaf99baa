"""MONAI Label's own addresses for information, listing and inference, served over HTTP."""

from __future__ import annotations

import importlib.util
import ipaddress
import sys
import types
from pathlib import Path
from typing import Any

from bundle.errors import InputError

APP_FOLDER = Path(__file__).with_name("app")
SERVED = {("GET", "/info/"), ("GET", "/datastore/"), ("POST", "/infer/{model}")}
OFF = ("TASKS_TRAIN", "TASKS_STRATEGY", "TASKS_SCORING", "TASKS_BATCH_INFER", "SESSIONS", "AUTO_UPDATE_SCORING")


def build_server(studies: str, model: str, host: str, device: str = "cpu") -> Any:
    """The ASGI application, with the studies listed and the model loaded.

    host: the address it will be bound to; on the machine's own one, requests under another host name are refused.

    Raises:
        InputError: MONAI Label is not installed, or studies or model cannot be used.
    """
    _need_monai_label()
    from monailabel.config import settings
    from monailabel.endpoints import datastore, infer, info
    from monailabel.interfaces.utils.app import app_instance

    for name in OFF:
        setattr(settings, f"MONAI_LABEL_{name}", False)
    settings.MONAI_LABEL_APP_DIR, settings.MONAI_LABEL_STUDIES = str(APP_FOLDER), str(Path(studies).resolve())
    settings.MONAI_LABEL_APP_CONF = {"model": model, "device": device}
    app_instance()
    return _application([info.router, datastore.router, infer.router], host)


def _application(routers: list[Any], host: str) -> Any:
    from fastapi import Depends, FastAPI
    from fastapi.exceptions import RequestValidationError
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from bundle.deploy.monailabel.guard import Guard
    from bundle.deploy.monailabel.infer_request import check_infer_request
    from bundle.deploy.monailabel.md_app import UnknownModelError
    from bundle.deploy.monailabel.study import UnknownStudyError

    app = FastAPI(title="Re-M3Dr", openapi_url=None)  # no pages of documentation: they load scripts from elsewhere
    for router in routers:
        router.routes[:] = [one for one in router.routes if any((m, one.path) in SERVED for m in one.methods)]
        checks = [Depends(check_infer_request)] if router.prefix == "/infer" else []
        app.include_router(router, dependencies=checks)
    for kind, status in ((UnknownModelError, 404), (UnknownStudyError, 404), (InputError, 422)):
        app.add_exception_handler(kind, _told(status))
    app.add_exception_handler(
        RequestValidationError, _told(422, "request: found a value of another kind, expected text")
    )
    if _is_loopback(host):
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]", host])
    return Guard(app)


def _told(status: int, text: str | None = None) -> Any:
    """A handler that answers with the status and the error's message, or with the text instead of it."""
    from fastapi import Request
    from fastapi.responses import JSONResponse

    async def handler(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": text or str(error)}, status)

    return handler


def _need_monai_label() -> None:
    if importlib.util.find_spec("monailabel") is None:
        raise InputError("MONAI Label is not installed; docs/monailabel.md tells the two commands that install it")
    if "pydicom_seg" not in sys.modules and importlib.util.find_spec("pydicom_seg") is None:
        # MONAI Label imports it for segmentations, which this app has none of, and it does not go with pydicom 3.
        sys.modules["pydicom_seg"] = types.ModuleType("pydicom_seg")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(application: Any, host: str, port: int) -> None:
    """Answer requests until a signal ends it. Only the server's own log is printed meanwhile.

    Raises:
        InputError: no such port.
    """
    import uvicorn

    from bundle.deploy.monailabel.silence import log_config, silence

    if not 0 < port < 2**16:
        raise InputError(f"port: found {port}, expected 1 to 65535")
    with silence() as log:
        uvicorn.run(
            application, host=host, port=port, log_config=log_config(log), access_log=False, server_header=False
        )
