"""Ways in and out of the chain that need no ROS: cameras, files, streams, the demo clip, and video files written."""
