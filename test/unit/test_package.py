"""The package as a whole: what is installed, what may import what, and the files that come with the code."""

import ast
import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from emomask import EMOTIONS

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "emomask"
MODULES = sorted(SOURCE.rglob("*.py"))
# ROS is used by the nodes and by the masking of bags alone.
CORE = [path for path in MODULES if path.relative_to(SOURCE).parts[0] not in ("bag", "nodes", "web")]
EMOJI_SETS = [ROOT / "emojis", ROOT / "emojis" / "plain"]
SCRIPTS = sorted((ROOT / "scripts").iterdir())

ROS = {"catkin_pkg", "cv_bridge", "dynamic_reconfigure", "emomask.msg", "emomask.nodes", "genpy", "rosbag", "roslaunch"}
ROS |= {"emomask.bag", "roslib", "roslz4", "rospkg", "rospy", "sensor_msgs", "std_msgs", "std_srvs"}
WEB = {"aiohttp", "bottle", "django", "emomask.web", "fastapi", "flask", "starlette", "tornado"}


def name_of(path):
    return str(path.relative_to(ROOT))


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 8))


def imported(tree):
    """All modules that ``tree`` imports anywhere, each with its parents: a.b.c, a.b, a."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
            names.update("%s.%s" % (node.module, alias.name) for alias in node.names)
    return {".".join(name.split(".")[:end]) for name in names for end in range(1, name.count(".") + 2)}


def requirement_names(lines):
    return {re.match(r"[\w-]+", line).group().lower().replace("_", "-") for line in lines}


def test_setup_lists_every_package():
    setup = next(node for node in ast.walk(parsed(ROOT / "setup.py")) if isinstance(node, ast.Call) and node.keywords)
    listed = next(ast.literal_eval(keyword.value) for keyword in setup.keywords if keyword.arg == "packages")
    folders = {path.parent.relative_to(SOURCE.parent) for path in MODULES}
    # The website's files are no modules; setuptools wants to be told of their folder all the same.
    assert sorted(listed) == sorted(["emomask.web.static", *(".".join(folder.parts) for folder in folders)])
    assert all((SOURCE.parent / folder / "__init__.py").is_file() for folder in folders)


def test_installed_package_is_whole(tmp_path):
    """pip installs every module, the models and the emojis, and the chain loads from there, without ROS and torch."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("LICENSE", "README.md", "package.xml", "pyproject.toml", "requirements.txt", "setup.py"):
        shutil.copy(str(ROOT / name), str(tree))
    for name in ("emojis", "models", "src"):
        shutil.copytree(str(ROOT / name), str(tree / name), ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    target = tmp_path / "target"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run(pip + ["--target", str(target), str(tree)], check=True, cwd=str(tmp_path))

    installed = {path.relative_to(target) for path in target.glob("emomask/**/*.py")}
    assert installed == {path.relative_to(SOURCE.parent) for path in MODULES}
    page = {path.name for path in (SOURCE / "web" / "static").iterdir()}
    assert page and {path.name for path in (target / "emomask" / "web" / "static").iterdir()} == page
    for folder in ("emojis", "emojis/plain", "models"):
        shipped = {path.name for path in (ROOT / folder).iterdir()}
        assert {path.name for path in (target / "share" / "emomask" / folder).iterdir()} == shipped
    check = (
        "import sys; sys.path.insert(0, %r)\n"
        "import emomask.masker, emomask.resources\n"
        "assert emomask.__file__.startswith(sys.path[0]), emomask.__file__\n"
        "print(emomask.resources.share_folder())\n"
        "heavy = {'rospy', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy" % str(target)
    )
    answer = subprocess.run([sys.executable, "-I", "-c", check], check=True, stdout=subprocess.PIPE, cwd=str(tmp_path))
    assert Path(answer.stdout.decode().strip()) == target / "share" / "emomask"


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_core_imports_no_ros_web_or_argparse(path):
    forbidden = ROS | WEB | {"argparse"}
    if path == SOURCE / "cli.py":  # which loads emomask.bag and the website when it is asked for them
        forbidden -= {"argparse", "emomask.bag", "emomask.web"}
    if path.parent == SOURCE / "commands":
        forbidden -= {"argparse"}
    assert not imported(parsed(path)) & forbidden


def test_core_loads_with_the_run_time_requirements_alone():
    """All but the training loads where neither ROS nor what only the extras bring is installed."""
    names = [".".join(path.relative_to(SOURCE.parent).with_suffix("").parts) for path in CORE]
    program = (
        "import importlib, sys\n"
        "sys.modules.update(dict.fromkeys(['face_alignment', 'matplotlib', 'rospy', 'sklearn', 'torch']))\n"
        "for name in sys.argv[1:]: importlib.import_module(name)"
    )
    names = [name.replace(".__init__", "") for name in names if not name.startswith("emomask.training.")]
    subprocess.run([sys.executable, "-c", program] + names, check=True, timeout=120)


def test_the_command_starts_without_what_only_some_of_its_parts_need():
    program = "import sys, emomask.cli; print(*{'PIL', 'av', 'cv2', 'onnxruntime', 'skimage'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", program]).split() == []


@pytest.mark.parametrize("path", MODULES + SCRIPTS, ids=name_of)
def test_syntax_is_python_3_8(path):
    tree = parsed(path)
    generics = {"dict", "frozenset", "list", "set", "tuple", "type"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            assert node.value.id not in generics, "line %d: use typing" % node.lineno
        annotations = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        for annotation in filter(None, annotations):
            unions = [part for part in ast.walk(annotation) if isinstance(part, ast.BinOp)]
            assert not unions, "line %d: use Optional or Union" % node.lineno


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_scripts_are_import_and_main(path):
    assert path.stat().st_mode & 0o111, "not executable"
    assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env python3\n")
    imports = (ast.Import, ast.ImportFrom)
    *before, last = parsed(path).body
    assert all(isinstance(node, imports) for node in before) and isinstance(last, ast.If)


@pytest.mark.parametrize("folder", EMOJI_SETS, ids=name_of)
def test_emojis_are_complete(folder):
    assert {path.stem for path in folder.glob("*.png")} == set(EMOTIONS)
    for emotion in EMOTIONS:
        image = cv2.imread(str(folder / (emotion + ".png")), cv2.IMREAD_UNCHANGED)
        assert image.shape == (512, 512, 4) and image.dtype == np.uint8
        alpha = image[..., 3]
        assert alpha[256, :].min() > 0, "the disc must reach the left and right border"
        assert alpha[128:384, 128:384].min() == 255, "the middle must be opaque"
        assert not alpha[[0, 0, -1, -1], [0, -1, 0, -1]].any(), "the corners must be transparent"


@pytest.mark.parametrize("folder", EMOJI_SETS, ids=name_of)
def test_emojis_differ_when_small(folder):
    small = {}
    for emotion in EMOTIONS:
        image = cv2.imread(str(folder / (emotion + ".png")))
        small[emotion] = cv2.resize(image, (40, 40), interpolation=cv2.INTER_AREA).astype(float)
    for one, other in itertools.combinations(EMOTIONS, 2):
        # A tenth of the picture must differ clearly.
        difference = np.abs(small[one] - small[other]).max(axis=2)
        assert np.mean(difference > 64) > 0.1, "%s and %s look alike" % (one, other)


def test_message_lists_the_emotions_in_order():
    text = (ROOT / "msg" / "Face.msg").read_text()
    constants = re.findall(r"^uint8 (\w+)=(\d+)", text, re.M)
    assert constants == [(emotion.upper(), str(index)) for index, emotion in enumerate(EMOTIONS)]
    assert "float32[%d] probabilities" % len(EMOTIONS) in text


def test_test_requirements_cover_the_extras():
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 or later")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = requirement_names(itertools.chain.from_iterable(extras.values())) - {"emomask"}
    lines = (ROOT / "requirements-test.txt").read_text().splitlines()
    assert requirement_names(line for line in lines if not line.startswith("#")) == wanted
