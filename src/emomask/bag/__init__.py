"""Rosbags masked from the command line. Needs ROS's Python packages, but no ROS master."""

from emomask.bag.masking import TopicReport, mask_bag

__all__ = ["TopicReport", "mask_bag"]
