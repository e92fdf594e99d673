#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make bench: what the store and a request of a signed-in user cost. Figures are instruction counts,
# ratios and counts; times are of this machine at this moment.
#
#   BENCH_ENTRIES=1000000 make bench    beside so many other sessions (default 200000)
#   BENCH_ONLY='store redis' make bench some of: instructions throughput store requests redis memory restarts
#
# instructions and throughput are side by side with mod_auth_openidc and mod_oauth2, if they are there.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=/dev/null
. build/packages.sh
# shellcheck disable=SC2086
install_packages $BENCH_PACKAGES || echo "Without them: fewer columns, no throughput."
BUILD_DIR=${BUILD_DIR:-$PWD}
PATH=$PATH:/usr/sbin:/sbin
BENCH_ENTRIES=${BENCH_ENTRIES:-200000}
BENCH_ONLY=${BENCH_ONLY:-instructions store requests redis memory restarts throughput}
BENCH_DIR=$(mktemp -d /tmp/edxsso-bench.XXXXXX)
export BUILD_DIR PATH BENCH_ENTRIES BENCH_DIR
trap 'rm -rf "$BENCH_DIR"' EXIT
trap 'exit 130' INT TERM HUP
chmod 755 "$BENCH_DIR"

# as the compiler was told to build the module
flags="$(apr-1-config --includes --cppflags) $(pkg-config --cflags jansson) -I$PWD/src"
libs="$(apr-1-config --link-ld) $(pkg-config --libs jansson libcrypto) -lpthread"
for name in store_bench store_fill; do
    # shellcheck disable=SC2086
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O2 -g $flags -o "$BENCH_DIR/$name" "t/bench/$name.c" \
        "$BUILD_DIR/.libs/libsso.a" $libs $(pkg-config --libs cjose libcurl) \
        $(pkg-config --libs hiredis 2>/dev/null || :)
done

as_user=
if [ "$(id -u)" = 0 ]; then # httpd's children cannot be root
    chown 65534:65534 "$BENCH_DIR"
    as_user='setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all'
fi
HOME=$BENCH_DIR
export HOME
for part in $BENCH_ONLY; do
    case $part in
    store)
        echo "== the store alone"
        $as_user "$BENCH_DIR/store_bench" "$BENCH_DIR" 1000 200000
        $as_user "$BENCH_DIR/store_bench" "$BENCH_DIR" "$BENCH_ENTRIES" 200000
        ;;
    instructions | throughput)
        $as_user perl -It/lib t/bench/contest.pl "$part"
        ;;
    requests | redis | memory | restarts)
        $as_user perl -It/lib t/bench/sessions.pl "$part"
        ;;
    *)
        echo "BENCH_ONLY: $part: instructions, throughput, store, requests, redis, memory or restarts" >&2
        exit 2
        ;;
    esac
done
