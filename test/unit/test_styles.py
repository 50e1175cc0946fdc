import cv2
import numpy as np
import pytest

from emomask import EMOTIONS, Settings
from emomask.errors import ModelError
from emomask.masks.emoji import Emoji
from emomask.masks.region import Region
from emomask.masks.styles import create_style, pixelated_frame


def noise(height=240, width=320):
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def inside(region, height=240, width=320):
    """The region's pixels, computed here from the ellipse's equation."""
    y, x = np.mgrid[0:height, 0:width]
    cosine, sine = np.cos(region.angle), np.sin(region.angle)
    along, across = cosine * (x - region.x) + sine * (y - region.y), -sine * (x - region.x) + cosine * (y - region.y)
    return (along / region.half_width) ** 2 + (across / region.half_height) ** 2 <= 1


REGIONS = [
    Region(160, 120, 40, 55, 0.3),
    Region(0, 0, 40, 55, -0.4),
    Region(319, 239, 30, 30, 1.2),
    Region(160, 239, 12, 16, 0),
    Region(50, 60, 2, 3, 0),
    Region(160, 120, 700, 900, 0.1),
    Region(-20, 120, 60, 70, 0.5),
]


@pytest.mark.parametrize("style", ["emoji", "blur", "pixelate", "solid"])
@pytest.mark.parametrize("region", REGIONS)
def test_nothing_of_the_original_shows_through(style, region):
    """What is painted must not depend on single pixels of the original: two pictures with the same coarse colours give
    nearly the same cover, and with opaque styles exactly the same."""
    first = noise()
    second = 255 - first
    covers = []
    for image in (first, second):
        covers.append(image.copy())
        create_style(Settings(style=style)).cover(covers[-1], region, "happy")
    mask = inside(region)
    if style in ("emoji", "solid"):
        assert np.array_equal(covers[0][mask], covers[1][mask])
    elif mask.sum() > 3000:
        # Only averages over large cells remain: they have lost nearly all of the noise.
        assert covers[0][mask].astype(float).std() < 0.35 * first[mask].astype(float).std()


@pytest.mark.parametrize("style", ["blur", "pixelate"])
@pytest.mark.parametrize("region", REGIONS[:4] + REGIONS[5:])
def test_light_and_skin_do_not_show(style, region):
    """Pictures that differ in nothing but their colour are covered alike, and always with a mean of mid grey."""
    covers = []
    for color in ((40, 60, 90), (150, 170, 200)):
        image = noise() // 8 + np.array(color, np.uint8)
        create_style(Settings(style=style)).cover(image, region, "happy")
        covers.append(image[inside(region)].astype(int))
    assert np.abs(covers[0] - covers[1]).max() <= 2
    assert np.abs(covers[0].mean(axis=0) - 128).max() <= 2


@pytest.mark.parametrize("style", ["blur", "pixelate", "solid"])
def test_nothing_outside_is_touched(style):
    image, region = noise(), REGIONS[0]
    before = image.copy()
    box = create_style(Settings(style=style)).cover(image, region, "happy")
    grown = inside(Region(region.x, region.y, region.half_width + 2, region.half_height + 2, region.angle))
    assert np.array_equal(image[~grown], before[~grown])
    changed = np.nonzero((image != before).any(axis=2))
    assert box.left <= changed[1].min() and box.right >= changed[1].max() + 1
    assert box.top <= changed[0].min() and box.bottom >= changed[0].max() + 1


def test_an_emoji_keeps_the_rest_of_the_picture():
    image, region = noise(), REGIONS[0]
    before = image.copy()
    create_style(Settings()).cover(image, region, "happy")
    far = ~inside(Region(region.x, region.y, 75, 75, 0))
    assert np.array_equal(image[far], before[far])


def test_a_region_outside_of_the_picture_changes_nothing():
    for style in ("emoji", "blur", "pixelate", "solid"):
        image = noise()
        assert create_style(Settings(style=style)).cover(image, Region(-300, 10, 20, 20, 0), "happy") is None
        assert np.array_equal(image, noise())


def test_each_emotion_has_its_own_emoji():
    style, pictures = Emoji(), []
    for emotion in EMOTIONS:
        image = np.zeros((200, 200, 3), np.uint8)
        style.cover(image, Region(100, 100, 60, 60, 0), emotion)
        pictures.append(image)
    for index, picture in enumerate(pictures):
        for other in pictures[index + 1 :]:
            assert np.abs(picture.astype(int) - other).mean() > 2


def test_the_emoji_turns_with_the_head():
    style, angle = Emoji(), 0.5
    upright, turned = np.zeros((200, 200, 3), np.uint8), np.zeros((200, 200, 3), np.uint8)
    style.cover(upright, Region(100, 100, 60, 60, 0), "happy")
    style.cover(turned, Region(100, 100, 60, 60, angle), "happy")
    back = cv2.warpAffine(turned, cv2.getRotationMatrix2D((100, 100), np.degrees(angle), 1), (200, 200))
    wrong = cv2.warpAffine(turned, cv2.getRotationMatrix2D((100, 100), -np.degrees(angle), 1), (200, 200))
    assert np.abs(back.astype(int) - upright).mean() < 4 < np.abs(wrong.astype(int) - upright).mean()


@pytest.mark.parametrize("width, height", [(200, 200), (240, 160)])
def test_an_emoji_over_all_of_the_picture_does_not_tell_where_the_face_is(width, height):
    covers = []
    for region in (Region(90, 100, 250, 250, 0.3), Region(120, 70, 260, 320, -0.2)):
        image = noise(height, width)
        assert Emoji().cover(image, region, "happy") == (0, 0, width, height)
        covers.append(image)
    assert np.array_equal(*covers)
    # And it is whole: as an emoji over the largest circle in the middle.
    expected = np.zeros((height, width, 3), np.uint8)
    half = min(width, height) / 2
    Emoji().cover(expected, Region((width - 1) / 2, (height - 1) / 2, half - 1.5, half - 1.5, 0), "happy")
    within = inside(Region((width - 1) / 2, (height - 1) / 2, half - 3, half - 3, 0), height, width)
    assert np.array_equal(covers[0][within], expected[within])


def write_set(folder, picture):
    for emotion in EMOTIONS:
        assert cv2.imwrite(str(folder / (emotion + ".png")), picture)


@pytest.mark.parametrize("kind", ["star", "square", "grey", "wide", "faint"])
def test_a_set_of_the_users_own_is_opaque_whatever_its_shape(tmp_path, kind):
    picture = np.zeros((64, 64, 4), np.uint8)
    if kind == "star":
        cv2.line(picture, (0, 32), (63, 32), (0, 0, 255, 255), 3)
        cv2.line(picture, (32, 0), (32, 63), (0, 0, 255, 255), 3)
    elif kind == "square":
        picture[:] = (200, 100, 50, 255)
    elif kind == "grey":
        picture = np.full((48, 48), 99, np.uint8)
    elif kind == "wide":
        picture = np.full((20, 90, 3), 180, np.uint8)
    else:
        picture[:] = (200, 100, 50, 60)
    write_set(tmp_path, picture)
    region, covers = Region(160, 120, 40, 55, 0.3), []
    for image in (noise(), 255 - noise()):
        Emoji(str(tmp_path)).cover(image, region, "happy")
        covers.append(image[inside(region)])
    assert np.array_equal(*covers)


def test_an_incomplete_or_damaged_set_is_an_error(tmp_path):
    with pytest.raises(ModelError, match="angry.png cannot be read"):
        Emoji(str(tmp_path))
    write_set(tmp_path, np.full((32, 32, 4), 255, np.uint8))
    (tmp_path / "fear.png").write_bytes(b"not a picture")
    with pytest.raises(ModelError, match="fear.png is not an 8-bit picture"):
        Emoji(str(tmp_path))
    cv2.imwrite(str(tmp_path / "fear.png"), np.zeros((32, 32, 4), np.uint8))
    with pytest.raises(ModelError, match="fear.png is wholly transparent"):
        Emoji(str(tmp_path))


def test_a_pixelated_frame_keeps_its_size_and_little_else():
    frame = noise(240, 320)
    coarse = pixelated_frame(frame)
    assert coarse.shape == frame.shape and coarse.dtype == np.uint8
    assert len(np.unique(coarse.reshape(-1, 3), axis=0)) <= 100
