"""The ROS nodes: thin ways in and out of the chain. Nothing outside this folder imports ROS."""

import importlib
import sys

from emomask.interrupts import leave_on_interrupts

_WEB = ("anyio", "fastapi", "httpcore", "starlette", "uvicorn", "websockets")


def run(node: str) -> None:
    """Run ``main()`` of ``emomask.nodes.<node>``; a Python that cannot import ROS gets one line and exit code 1."""
    leave_on_interrupts()
    try:
        main = importlib.import_module("emomask.nodes." + node).main
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "emomask":
            remedy = "build the package (catkin_make) and source devel/setup.bash"
        elif missing in _WEB:
            remedy = "pip install -c constraints.txt '.[web]' in emomask's folder"
        else:
            remedy = (
                "source the ROS setup and start the node with /usr/bin/python3 or a virtual environment made from it "
                "with --system-site-packages"
            )
        sys.exit("emomask %s: %s cannot run this node (%s): %s." % (node, sys.executable, error, remedy))
    main()
