"""The ROS nodes: thin ways in and out of the chain. Nothing outside this folder imports ROS."""

import importlib
import sys


def run(node: str) -> None:
    """Run ``main()`` of ``emomask.nodes.<node>``; a Python that cannot import ROS gets one line and exit code 1."""
    try:
        main = importlib.import_module("emomask.nodes." + node).main
    except ImportError as error:
        remedy = (
            "build the package (catkin_make) and source devel/setup.bash"
            if (error.name or "").startswith("emomask")
            else "source the ROS setup and start the node with /usr/bin/python3 or a virtual environment made from it "
            "with --system-site-packages"
        )
        sys.exit("emomask %s: %s cannot run this node (%s): %s." % (node, sys.executable, error, remedy))
    main()
