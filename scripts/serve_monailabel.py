"""Serves the MD of the eyes in a folder through MONAI Label: lists them, predicts one at a time, writes nothing.

    python -m scripts.serve_monailabel --studies DIR
    curl -X POST 'http://127.0.0.1:8000/infer/oct_fundus_md?image=ID&output=json'

DIR holds a manifest.csv, as python -m scripts.ingest writes it, or images named <id>_oct.<ext> and <id>_fundus.<ext>.
Needs MONAI Label in an environment of its own: docs/monailabel.md. There is no password: keep it on this machine.
"""

from __future__ import annotations

import argparse

from bundle.errors import run_main


def main(arguments: list[str] | None = None) -> None:
    """Load model and studies, then answer until interrupted; a mistake in either is told before the port is opened."""
    options = _parser().parse_args(arguments)
    from bundle.deploy.monailabel.server import build_server, serve

    application = build_server(options.studies, options.model, options.host, options.device)
    print(f"ready: http://{options.host}:{options.port}/info/ (Ctrl-C ends it)", flush=True)
    serve(application, options.host, options.port)


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m scripts.serve_monailabel",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="MD in dB, about +2 (normal) to -33. For research; not for decisions about a patient.",
    )
    p.add_argument("--studies", required=True, metavar="DIR", help="folder with the images; it is only read")
    p.add_argument("--model", default="models", metavar="DIR",
                   help="folder of a model, such as eval/latest (default: %(default)s, see make promote)")  # fmt: skip
    p.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    p.add_argument("--port", type=int, default=8000, help="port to listen at (default: %(default)s)")
    p.add_argument("--device", default="cpu", help="cpu (default), cuda, mps")
    return p


if __name__ == "__main__":
    run_main(main)
