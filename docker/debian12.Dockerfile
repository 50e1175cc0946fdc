# emomask with ROS 1 from Debian's own archive. Build and run it as doc/machines.md says.
FROM debian:12

WORKDIR /opt/emomask
COPY . .
# Installs the packages, makes the virtual environment and builds the workspace, as on a machine without Docker.
RUN bash tools/setup.sh && rm -rf /var/lib/apt/lists/* /root/.cache

# A camera's device belongs to the group video.
RUN useradd --create-home --uid 1000 --groups video emomask
USER 1000
WORKDIR /home/emomask
ENTRYPOINT ["bash", "/opt/emomask/docker/entrypoint.bash"]
CMD ["roslaunch", "emomask", "webcam.launch"]
