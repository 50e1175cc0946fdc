"""The application: the page and the HTTP interface."""

import base64
import contextlib
import json
import logging
import time
from pathlib import Path
from typing import Any, Dict, Optional

from fastapi import FastAPI, Query, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Router
from starlette.types import ASGIApp

from emomask.errors import EmomaskError, SettingsError, SourceError
from emomask.faces import EMOTIONS
from emomask.settings import STYLES, Settings
from emomask.web.choices import Choices
from emomask.web.demo import Demo
from emomask.web.engine import Engine, MaskedFile, MaskingError
from emomask.web.errors import Refusal
from emomask.web.feed import Feed
from emomask.web.fetch import FetchPolicy, fetch
from emomask.web.jobs import Jobs
from emomask.web.limits import Places, RateLimit, body_parts, read_body, visitor_of
from emomask.web.live import LiveView
from emomask.web.private_folder import PrivateFolder
from emomask.web.robot import RobotView
from emomask.web.security import Guard
from emomask.web.settings import WebSettings

_log = logging.getLogger(__name__)

_VERSION = "1"  # of the interface
_STATIC = Path(__file__).resolve().parent / "static"
_PICTURE_SECONDS, _VIDEO_SECONDS = 30.0, 300.0  # for an upload to arrive
_LARGEST_ORDER = 4096  # bytes of a JSON body
_STYLE = Query(None, description="what covers a face: emoji, blur, pixelate or solid")
_EMOJI_SET = Query(None, description="whose emojis: one of emoji_sets in /api/options")
_MARGIN = Query(None, description="how far the mask goes beyond the face, a fraction of its size: 0 to 2")
_MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
_FILE = {"schema": {"type": "string", "format": "binary"}}
_PICTURE_BODY = {
    "required": True,
    "content": {
        "image/*": _FILE,
        "application/octet-stream": _FILE,
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["url"],
                "properties": {"url": {"type": "string", "description": "http or https, on a public server"}},
            }
        },
    },
}
_VIDEO_BODY = {"required": True, "content": {"video/*": _FILE, "application/octet-stream": _FILE}}


def create_app(web: WebSettings, settings: Settings, feed: Optional[Feed] = None) -> ASGIApp:
    """The website as an ASGI application, which loads the networks at once.

    ``settings``: how faces are found and covered; ``feed``: a robot's camera that is shown, too.
    Raises ModelError when a network or an emoji set is missing or damaged, SettingsError when a setting is wrong.
    """
    site = _Site(web, settings, feed)
    app = site.application()
    if web.base_path:
        app = Router(routes=[Mount(web.base_path, app=app)], lifespan=lambda _: site.running())
    return Guard(app, web.host_names(), web.token(), web.base_path)


class _Site:
    """What the handlers share, and the handlers."""

    def __init__(self, web: WebSettings, settings: Settings, feed: Optional[Feed]):
        self._web = web
        self._settings = settings
        self._sets = {"own": settings.emojis, **web.sets()} if settings.emojis else web.sets()
        self._defaults = Choices(settings.style, next(iter(self._sets)), settings.margin)
        self._engine = Engine(settings, self._sets, web.megapixels * 10**6)
        self._demo = Demo()
        self._feed = feed
        self._rate = RateLimit(web.requests)
        self._pictures = Places(web.picture_queue, "Many pictures are being masked just now; try again in a moment.")
        self._cameras = Places(web.live_visitors, "All places for cameras are taken just now; try again later.")
        self._videos = Places(web.video_queue, "Several videos are waiting already; try again when they are done.")
        self._viewers = Places(4 * max(1, web.live_visitors), "All places are taken just now; try again later.")
        self._policy = FetchPolicy(
            largest=web.picture_mb << 20, ports=web.allowed_ports(), allowed=web.allowed_networks()
        )
        self._began = time.monotonic()
        self._jobs: Optional[Jobs] = None

    @contextlib.asynccontextmanager
    async def running(self):
        """The time in which requests are answered."""
        folder = PrivateFolder() if self._web.video_mb else None
        if folder:
            self._jobs = Jobs(folder, self._videos, self._web.video_seconds, self._web.video_kept)
            self._jobs.start()
        try:
            yield
        finally:
            if folder:
                await self._jobs.close()
                folder.close()
            self._engine.close()

    def application(self) -> FastAPI:
        app = FastAPI(
            title="emomask",
            description="Faces in pictures and videos replaced by the emoji of their emotion. Nothing is kept.",
            version=_VERSION,
            openapi_url="/api/openapi.json",
            docs_url=None,
            redoc_url=None,
            lifespan=None if self._web.base_path else lambda _: self.running(),
        )
        for kind, handler in (
            (EmomaskError, _on_error),
            (RequestValidationError, _on_validation_error),
            (HTTPException, _on_http_error),
            (Exception, _on_unforeseen),
        ):
            app.add_exception_handler(kind, handler)
        app.add_api_route("/api/health", self.health, summary="Whether the site works, and how busy it is")
        app.add_api_route("/api/options", self.options, summary="What can be chosen, and the limits")
        app.add_api_route("/api/demo/{name}", self.demo, summary="A demo picture", response_class=Response)
        app.add_api_route(
            "/api/mask",
            self.mask,
            methods=["POST"],
            summary="Mask a picture, sent as the body or named by a URL",
            response_class=Response,
            responses={200: {"content": {**{kind: _FILE for kind in _MEDIA_TYPES.values()}, "application/json": {}}}},
            openapi_extra={"requestBody": _PICTURE_BODY},
        )
        if self._web.video_mb:
            app.add_api_route(
                "/api/mask/video",
                self.mask_video,
                methods=["POST"],
                status_code=202,
                summary="Put a video, sent as the body, into the line",
                openapi_extra={"requestBody": _VIDEO_BODY},
            )
            app.add_api_route("/api/mask/video/{job}", self.video, summary="How far a video is")
            app.add_api_route(
                "/api/mask/video/{job}",
                self.remove_video,
                methods=["DELETE"],
                status_code=204,
                summary="Give up a video, or remove its result",
            )
            app.add_api_route(
                "/api/mask/video/{job}/result",
                self.video_result,
                summary="The masked video; it can be fetched once",
                response_class=FileResponse,
            )
        app.add_api_websocket_route("/api/live", self.live)
        if self._feed is not None:
            app.add_api_websocket_route("/api/robot", self.robot)
        app.mount("/static", StaticFiles(directory=str(_STATIC)), name="static")
        app.add_api_route("/", _page, methods=["GET", "HEAD"], include_in_schema=False)
        app.add_api_route("/docs", _docs, methods=["GET", "HEAD"], include_in_schema=False)
        app.router.redirect_slashes = False
        return app

    async def health(self) -> Dict[str, Any]:
        """The status is ok; busy counts the work under way."""
        return {
            "status": "ok",
            "uptime_s": round(time.monotonic() - self._began, 1),
            "models": self._engine.models,
            "busy": {"pictures": self._pictures.taken, "cameras": self._cameras.taken, "videos": self._videos.taken},
        }

    async def options(self) -> Dict[str, Any]:
        """What the page offers: styles, emoji sets, demo pictures and limits."""
        web = self._web
        return {
            "token": bool(web.token_file),
            "robot": self._feed is not None,
            "emotions": EMOTIONS,
            "styles": STYLES,
            "emoji_sets": list(self._sets),
            "defaults": self._defaults.as_dict(),
            "demo": [{"name": name, "title": title} for name, title in self._demo.titles.items()],
            "limits": {
                "picture_mb": web.picture_mb,
                "megapixels": web.megapixels,
                "video_mb": web.video_mb,
                "video_seconds": web.video_seconds,
            },
        }

    async def demo(self, name: str) -> Response:
        """A JPEG."""
        try:
            return Response(self._demo.file(name), media_type="image/jpeg")
        except KeyError as error:
            raise Refusal(404, "There is no demo picture of this name.") from error

    async def mask(
        self,
        request: Request,
        style: Optional[str] = _STYLE,
        emoji_set: Optional[str] = _EMOJI_SET,
        margin: Optional[str] = _MARGIN,
        format: str = Query("jpg", description="png, jpg or webp"),
    ) -> Response:
        """The body is the file itself, or {"url": "https://..."}. What it is, its content tells, not its type.

        Answers the masked picture, or, when the request says "Accept: application/json", its faces as well with the
        picture in base64.
        """
        visitor = visitor_of(request)
        self._rate.check(visitor)
        choices = self._chosen(style=style, emoji_set=emoji_set, margin=margin)
        if format not in _MEDIA_TYPES:
            raise Refusal(400, "format must be one of %s." % ", ".join(_MEDIA_TYPES))
        kind = _content_type(request)
        is_order = kind == "application/json"
        if not is_order and kind != "application/octet-stream" and not kind.startswith("image/"):
            raise Refusal(
                415,
                "Send the picture itself as the body, with a Content-Type of image/... or application/octet-stream.",
            )
        with self._pictures.taken_by(visitor):
            largest = _LARGEST_ORDER if is_order else self._web.picture_mb << 20
            data = await read_body(request, largest, _PICTURE_SECONDS)
            if is_order:
                data = await fetch(_url(data), self._policy)
            masked = await self._engine.mask(data, choices, format, visitor)
        _log.info("A picture of %d x %d pixels was masked in %.0f ms", *masked[1:3], masked.milliseconds)
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(_told(masked, _MEDIA_TYPES[format]))
        return Response(masked.data, media_type=_MEDIA_TYPES[format], headers={"X-Faces": str(len(masked.faces))})

    async def mask_video(
        self,
        request: Request,
        style: Optional[str] = _STYLE,
        emoji_set: Optional[str] = _EMOJI_SET,
        margin: Optional[str] = _MARGIN,
    ) -> Dict[str, Any]:
        """The body is the file itself. Answers the job, whose name is needed for everything else; see its progress."""
        visitor = visitor_of(request)
        self._rate.check(visitor)
        choices = self._chosen(style=style, emoji_set=emoji_set, margin=margin)
        settings = choices.applied(self._settings, self._sets)
        kind = _content_type(request)
        if kind != "application/octet-stream" and not kind.startswith("video/"):
            raise Refusal(
                415, "Send the video itself as the body, with a Content-Type of video/... or application/octet-stream."
            )
        parts = body_parts(request, self._web.video_mb << 20, _VIDEO_SECONDS)
        return await self._jobs.add(parts, visitor, settings)

    async def video(self, job: str) -> Dict[str, Any]:
        """Its state is waiting, running, done or failed; progress is 0 to 1; so many are ahead of it."""
        return self._jobs.told(job)

    async def remove_video(self, job: str) -> Response:
        """Nothing of it is left."""
        self._jobs.remove(job)
        return Response(status_code=204)

    async def video_result(self, job: str) -> FileResponse:
        """An MP4; it is removed when it was sent."""
        path = self._jobs.result(job)
        return FileResponse(str(path), media_type="video/mp4", background=BackgroundTask(self._jobs.remove, job))

    def _chosen(self, **given: Optional[str]) -> Choices:
        """The choices of a request; what it leaves open is as the operator has set it."""
        return self._defaults.changed({name: value for name, value in given.items() if value is not None})

    async def live(self, socket: WebSocket) -> None:
        await LiveView(self._engine, self._defaults, self._cameras, self._web.token()).serve(socket)

    async def robot(self, socket: WebSocket) -> None:
        await RobotView(self._feed, self._viewers, self._web.token()).serve(socket)


async def _page() -> FileResponse:
    return FileResponse(str(_STATIC / "index.html"))


async def _docs() -> FileResponse:
    return FileResponse(str(_STATIC / "docs.html"))


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _url(order: bytes) -> str:
    try:
        url = json.loads(order.decode("utf-8"))["url"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refusal(400, 'The body must be like {"url": "https://..."}.') from error
    if not isinstance(url, str):
        raise Refusal(400, "The URL must be a text.")
    return url.strip()


def _told(masked: MaskedFile, media_type: str) -> Dict[str, Any]:
    return {
        "width": masked.width,
        "height": masked.height,
        "faces": masked.faces,
        "ms": masked.milliseconds,
        "media_type": media_type,
        "image": base64.b64encode(masked.data).decode("ascii"),
    }


def _answer(status: int, reason: str, retry_after: Optional[int] = None) -> JSONResponse:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return JSONResponse({"error": reason}, status, headers)


async def _on_error(request: Request, error: EmomaskError) -> JSONResponse:
    if isinstance(error, Refusal):
        return _answer(error.status, str(error), error.retry_after)
    if isinstance(error, SettingsError):
        return _answer(400, str(error))
    if isinstance(error, SourceError):
        return _answer(422, str(error))
    if isinstance(error, MaskingError):
        return _answer(500, str(error))
    return await _on_unforeseen(request, error)


async def _on_unforeseen(request: Request, error: Exception) -> JSONResponse:
    return _answer(500, "Something went wrong here; nothing of your picture is shown.")


async def _on_validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    # Without what was sent, which FastAPI's own answer repeats.
    names = sorted({str(part["loc"][-1]) for part in error.errors()})
    return _answer(400, "These parameters are missing or wrong: %s." % ", ".join(names))


async def _on_http_error(request: Request, error: HTTPException) -> JSONResponse:
    return _answer(error.status_code, "%s." % error.detail)
