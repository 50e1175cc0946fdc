# emomask with ROS Noetic on Ubuntu 20.04. Build and run it as doc/machines.md says.
FROM ros:noetic-ros-core-focal

# No versions are pinned: Noetic and focal have reached their end of life, and their packages do not change any more.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        g++ \
        make \
        python3-pip \
        python3-venv \
        ros-noetic-cv-bridge \
        ros-noetic-diagnostic-updater \
        ros-noetic-dynamic-reconfigure \
        ros-noetic-image-view \
        ros-noetic-roslaunch \
        ros-noetic-roslz4 \
        ros-noetic-rospy \
        ros-noetic-sensor-msgs \
        ros-noetic-std-srvs \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/emomask
COPY . .
# The system's packages are seen, because cv_bridge and rospy are among them; focal's pip is too old for today's wheels.
RUN python3 -m venv --system-site-packages .venv \
    && .venv/bin/pip install --no-cache-dir 'pip>=23,<25.1' \
    && .venv/bin/pip install --no-cache-dir -c constraints.txt -r requirements.txt

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN mkdir -p .ws/src \
    && ln -s /opt/emomask .ws/src/emomask \
    && source /opt/ros/noetic/setup.bash \
    && catkin_make -C .ws -DCATKIN_ENABLE_TESTING=OFF -DPYTHON_EXECUTABLE=/opt/emomask/.venv/bin/python3

# A camera's device belongs to the group video.
RUN useradd --create-home --uid 1000 --groups video emomask
USER 1000
WORKDIR /home/emomask
ENTRYPOINT ["bash", "/opt/emomask/docker/entrypoint.bash"]
CMD ["roslaunch", "emomask", "webcam.launch"]
