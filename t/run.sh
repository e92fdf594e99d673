#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install what is missing, build, run all tests:
#
#   sh t/run.sh                    everything
#   sh t/run.sh --quick            without the long ones
#   sh t/run.sh [--quick] FILE ... these: t/lint.t, t/server/x.t; t/unit/x is a program
#
# Works in a copy of the tree and, started by root, as an ordinary user, since httpd has to. Nothing
# of the checkout changes. TEST_KEEP=1 keeps the copy.
set -eu
exec </dev/null
cd "$(dirname "$0")/.."
. build/packages.sh
. build/tree.sh

TEST_SLOW=1
TEST_QUICK=
if [ "${1-}" = --quick ]; then
    TEST_SLOW=
    TEST_QUICK=1
    shift
fi
export TEST_SLOW TEST_QUICK

# shellcheck disable=SC2086
install_packages $BUILD_PACKAGES $TEST_PACKAGES

work=$(mktemp -d /tmp/edxsso-test.XXXXXX)
leave()
{
    code=$?
    trap - EXIT INT TERM HUP
    [ -n "${TEST_KEEP-}" ] && echo "Kept: $work" || rm -rf "$work"
    exit $code
}
trap leave EXIT
trap 'exit 130' INT TERM HUP

copy_tree "$work"
if [ "$(id -u)" = 0 ]; then
    chown -R 65534:65534 "$work"
    as_user='setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all'
else
    as_user=
fi
chmod 755 "$work"
cd "$work"

# /usr/sbin: where httpd and redis-server may be, and not in an ordinary user's PATH
PATH=$PATH:/usr/sbin:/sbin
HOME=$work
LC_ALL=C.UTF-8
export PATH HOME LC_ALL
{
    $as_user autoreconf -i &&
        $as_user ./configure --enable-werror &&
        $as_user make -j"$(getconf _NPROCESSORS_ONLN)" all check-programs
} >build.log 2>&1 || {
    tail -n 40 build.log
    echo 'The build failed.' >&2
    exit 1
}
$as_user timeout 1500 perl t/TEST "$@"
