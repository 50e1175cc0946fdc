# Everything from a clean clone on Debian: "make demo", "make test". Other systems: README.md.

.PHONY: help build demo test lint clean

help:
	@echo "make demo   install what is missing, mask the demo clip through ROS, save demo/masked.mp4"
	@echo "make test   install what is missing, run all tests"
	@echo "make lint   run ruff, catkin_lint and hadolint"
	@echo "make build  install and build only"
	@echo "make clean  remove what the other targets made in this folder"

build:
	@bash tools/setup.sh

demo: build
	@bash tools/demo.sh

test:
	@bash tools/setup.sh test
	@bash tools/test.sh

lint:
	@bash tools/setup.sh test
	.venv/bin/python3 -m ruff check .
	.venv/bin/hadolint docker/*.Dockerfile
	cd .ws/src/emomask && ROS_DISTRO=noetic "$(CURDIR)/.venv/bin/catkin_lint" -W2 --strict --offline .

clean:
	rm -rf .venv .ws demo
