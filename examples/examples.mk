EXTRA_DIST += examples/quickstart examples/debian-packages.awk
