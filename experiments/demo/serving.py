"""Serving a page on the loopback address, to this machine alone and without a word to any other."""

import atexit
import os
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.demo.shown import Viewer
from experiments.demo.upload import MOST_BYTES
from user_error import UserError

if TYPE_CHECKING:
    import gradio

LOOPBACK = "127.0.0.1"
STYLE = Path(__file__).parent / "page.css"


def require_free_port(port: int) -> int:
    """The port, or a free one for 0.

    Raises:
        UserError: another program listens on it, or there is no such port.
    """
    try:
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((LOOPBACK, port))
            return int(tried.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise UserError(
            f"the port {port} is in use, or none that may be taken: pass another --port, from 1024 to 65535, or 0 for a free one"
        ) from error


def isolate() -> Path:
    """Set what Gradio reads of the environment, before its first import: no telemetry, no sharing, a folder of its own.

    Returns:
        The folder of uploads and pictures, which is removed when this process ends.
    """
    folder = Path(tempfile.mkdtemp(prefix="robust-segmentation-demo-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]  # such as GRADIO_ALLOWED_PATHS, which opens folders, or GRADIO_SHARE
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder), "HF_HUB_DISABLE_TELEMETRY": "1"}
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = LOOPBACK  # Gradio asks itself whether it has started
    return folder


def list_blocked() -> list[str]:
    """Folders of which no file is served, whatever Gradio allows by default: this one and the user's, but those of uploads."""
    own = Path(os.environ["GRADIO_TEMP_DIR"]).resolve()
    return [str(path) for path in (Path.cwd(), Path.home()) if not own.is_relative_to(path.resolve())]


def serve(viewer: Viewer, port: int) -> None:
    """Serve the page of a viewer until this process is stopped.

    Args:
        viewer: of the networks.
        port: where.

    Raises:
        UserError: another program has taken the port.
    """
    isolate()
    from experiments.demo.page import Page  # imports Gradio

    launch(Page(viewer).build(), port)
    print(f"the page is at http://{LOOPBACK}:{port} for this machine alone; Ctrl-C ends it", flush=True)
    threading.Event().wait()


def launch(page: "gradio.Blocks", port: int) -> None:
    """Start the server of a page in a thread.

    Raises:
        UserError: another program has taken the port.
    """
    import gradio
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    # a page of elsewhere whose name leads to this machine is refused
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])
    try:
        page.launch(
            server_name=LOOPBACK,
            server_port=port,
            share=False,
            inline=False,
            quiet=True,
            prevent_thread_lock=True,
            show_error=False,
            enable_monitoring=False,
            run_history=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            strict_cors=True,
            allowed_paths=[],
            blocked_paths=list_blocked(),
            max_file_size=MOST_BYTES,
            footer_links=[],
            app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None, "middleware": [hosts]},
            theme=gradio.themes.Base(
                primary_hue="blue",
                neutral_hue="gray",
                font=["system-ui", "sans-serif"],
                font_mono=["ui-monospace", "monospace"],
            ),
            css_paths=[STYLE],
        )
    except OSError as error:
        raise UserError(f"the port {port} was taken meanwhile: pass another --port") from error
