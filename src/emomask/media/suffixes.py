"""The suffixes of the pictures and videos that are read and written. What a file is, its content tells."""

# The format that is written under a suffix.
PICTURES = {
    ".bmp": "BMP",
    ".heic": "HEIC",
    ".heif": "HEIC",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".pgm": "PPM",
    ".png": "PNG",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WebP",
}
# Those that need no further library.
IMAGE_SUFFIXES = tuple(suffix for suffix, name in PICTURES.items() if name != "HEIC")
# FFmpeg's name of the container that is written under a suffix.
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi"}
# Those, and what is only read.
VIDEOS = (*CONTAINERS, ".3gp", ".flv", ".gif", ".m2ts", ".m4v", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".wmv")
