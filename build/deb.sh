#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The Debian package, into deb/ (or DEB_DIR), built in a copy of the tree there.
set -eu
cd "$(dirname "$0")/.."
. build/tree.sh

out=${DEB_DIR:-$PWD/deb}
rm -rf "$out/tree"
copy_tree "$out/tree"
cd "$out/tree"
dpkg-buildpackage -b -us -uc
ls "$out"/*.deb
